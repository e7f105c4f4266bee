"""The names of classes as people note them beside their weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NAME_KEYS = (
    *("names", "class_names", "classes", "CLASSES", "labels", "categories"),
    *("idx_to_class", "class_to_idx", "id2label", "label2id"),
)
"""``class_to_idx`` is that of torchvision's ImageFolder, ``id2label`` Hugging Face's."""
NOTE_KEYS = ("hyper_parameters", "hparams", "meta", "dataset_meta", "args", "config", "opt")
"""Where notes of a run are, as a dictionary or as an object with attributes."""


def noted_class_names(notes: Mapping[str, object]) -> list[str]:
    """The first usable list of names among the notes, or within one of ``NOTE_KEYS``; else none."""
    inner = (_attributes(notes.get(key)) for key in NOTE_KEYS)
    for each in (notes, *inner):
        for key in NAME_KEYS:
            if names := ordered_names(each.get(key)):
                return names
    return []


def ordered_names(noted: Any) -> list[str]:
    """Names in the order of their numbers: a list, numbers → names, or names → numbers."""
    if isinstance(noted, Mapping):
        numbered = _by_number(noted.items()) or _by_number((n, name) for name, n in noted.items())
        noted = [numbered[number] for number in sorted(numbered)]
    if not isinstance(noted, (list, tuple)) or not all(isinstance(name, str) for name in noted):
        return []
    return list(noted)


def _by_number(pairs: Iterable[tuple[Any, Any]]) -> dict[int, Any]:
    """Numbers without gaps from 0 → names; empty for anything else."""
    try:
        numbers = [(int(number), name) for number, name in pairs]
    except (TypeError, ValueError):
        return {}
    return dict(numbers) if sorted(n for n, _ in numbers) == [*range(len(numbers))] else {}


def _attributes(noted: Any) -> Mapping[str, object]:
    """Of a dictionary, or of an object that was stood in for."""
    if isinstance(noted, Mapping):
        return noted
    return vars(noted) if hasattr(noted, "__dict__") else {}
