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
    wanted = [PERSON] if task == "pose" else labels
    met = {i: ids[at] for i, name in enumerate(wanted) if (at := names.find(name)) is not None}
    if not met:
        raise WrongInput(
            f"the model knows none of the {len(numbers)} categories of {file.name}",
            evidence=f"model: {', '.join(wanted[:5])} …\ndata: {', '.join(list(numbers)[:5])} …",
            remedy="name data of the model's classes",
        )
    known = len(set(met.values()))
    return met, f", {known} of {len(numbers)} classes" if known < len(numbers) else ""


def _numbers(content: Mapping[str, Any], file: Path) -> dict[str, int]:
    """Name → number; of several categories with one name the one that annotations are of."""
    try:
        pairs = [(normal(str(one["name"])), int(one["id"])) for one in content["categories"]]
    except (KeyError, TypeError, ValueError):
        raise WrongInput(f"{file} names no categories", remedy="is it COCO's format?") from None
    _require_different(pairs, file)
    used = Counter(one.get("category_id") for one in content["annotations"])
    same = defaultdict(list)
    for name, number in pairs:
        same[name].append(number)
    return {name: _used(name, its, used, file) for name, its in same.items()}


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
    annotated = [one for one in distinct if used.get(one)]
    if len(annotated) > 1:
        counts = ", ".join(f"{one} ({used[one]} annotations)" for one in annotated)
        raise WrongInput(
            f"{file}: the category '{name}' is there {len(distinct)} times, as {counts}",
            remedy="give them different names, or all annotations the same category_id",
        )
    return (annotated or distinct)[0]
