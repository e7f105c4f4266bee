"""COCO's categories → classes of a model, by name: COCO's numbers have gaps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from piyard.errors import WrongInput
from piyard.labels import Names, normal

PERSON = "person"
"""A pose model's only class."""


def matched(
    content: Mapping[str, Any], task: str, labels: Sequence[str], file: Path
) -> tuple[dict[int, int], str]:
    """Class → category, and for people how many of the categories the model knows, if not all.

    Raises ``WrongInput`` for a name that several categories in use have, and where none is known.
    """
    numbers = _numbers(content, file)
    names = Names(list(numbers))
    ids = list(numbers.values())
    class_names = [PERSON] if task == "pose" else labels
    category = {
        i: ids[at] for i, name in enumerate(class_names) if (at := names.find(name)) is not None
    }
    if not category:
        raise WrongInput(
            f"the model knows none of the {len(numbers)} categories of {file.name}",
            evidence=f"model: {', '.join(class_names[:5])} …\n"
            f"data: {', '.join(list(numbers)[:5])} …",
            remedy="name data of the model's classes",
        )
    count = len(set(category.values()))
    return category, f", {count} of {len(numbers)} classes" if count < len(numbers) else ""


def _numbers(content: Mapping[str, Any], file: Path) -> dict[str, int]:
    """Name → number; of several categories with one name the one that annotations are of."""
    try:
        pairs = [(normal(str(entry["name"])), int(entry["id"])) for entry in content["categories"]]
    except (KeyError, TypeError, ValueError):
        raise WrongInput(f"{file} names no categories", remedy="is it COCO's format?") from None
    _require_different(pairs, file)
    used = Counter(entry.get("category_id") for entry in content["annotations"])
    by_name = defaultdict(list)
    for name, number in pairs:
        by_name[name].append(number)
    return {name: _used(name, numbers, used, file) for name, numbers in by_name.items()}


def _require_different(pairs: Sequence[tuple[str, int]], file: Path) -> None:
    names: dict[int, str] = {}
    for name, number in pairs:
        if names.setdefault(number, name) != name:
            raise WrongInput(
                f"{file}: category {number} is both '{names[number]}' and '{name}'",
                remedy="a number is of one category",
            )


def _used(name: str, numbers: Sequence[int], used: Mapping[Any, int], file: Path) -> int:
    """Exporters write some categories twice, the first time as a mere group."""
    distinct = sorted(set(numbers))
    annotated = [number for number in distinct if used.get(number)]
    if len(annotated) > 1:
        counts = ", ".join(f"{number} ({used[number]} annotations)" for number in annotated)
        raise WrongInput(
            f"{file}: the category '{name}' is there {len(distinct)} times, as {counts}",
            remedy="give them different names, or all annotations the same category_id",
        )
    return (annotated or distinct)[0]
