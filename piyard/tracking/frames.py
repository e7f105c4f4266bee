"""Frames of a clip: their order and their numbers come from their files' names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from piyard import pictures
from piyard.errors import WrongInput

DIGITS = re.compile(r"[0-9]+")
CLEARLY = 2
"""So many times more frames of the truth have a picture one way than the other."""
RENAME = "name them by their numbers, as 000001.jpg"


def numbered(folder: Path) -> dict[int, Path]:
    """Number → picture, in the order of the numbers; none without such a folder.

    A number is the last one in a name, or, where all have the same there, the one before. Raises
    ``WrongInput`` for a name without a number, and for a number that two pictures have.
    """
    paths = pictures.of(folder).pictures if folder.is_dir() else []
    groups = {path: DIGITS.findall(path.stem) for path in paths}
    for path, digits in groups.items():
        if not digits:
            raise WrongInput(f"{path} has no frame number in its name", remedy=RENAME)
    for place in _positions(groups):
        numbers = {path: int(digits[place]) for path, digits in groups.items()}
        if len(set(numbers.values())) == len(numbers):
            return {numbers[path]: path for path in sorted(paths, key=lambda path: numbers[path])}
    if not paths:
        return {}
    raise _twice({path: int(digits[-1]) for path, digits in groups.items()})


def places(
    numbers: Sequence[int], truth: Collection[int], length: int, where: Path
) -> dict[int, int]:
    """The truth's number of a frame → the place of its picture, counted from 1.

    Both are the frame's number, unless the truth counts the same clip from 1 and its files begin
    elsewhere. ``numbers`` are the files', in order; ``length`` is the clip's by its own word, or 0.
    Raises ``WrongInput`` when the truth fits no way, or when it cannot be told which.
    """
    as_named = {number: place for place, number in enumerate(numbers, 1)}
    if as_named.keys() >= set(truth):
        return as_named
    from_one = {number - numbers[0] + 1: place for number, place in as_named.items()}
    named, counted = (
        sum(number in numbering for number in truth) for numbering in (as_named, from_one)
    )
    if max(truth) <= len(numbers) and (length == len(numbers) or counted + named < len(truth) / 2):
        return {place: place for place in as_named.values()}
    if numbers[0] == 0 and 0 not in truth:
        return _from_zero(numbers, truth, from_one, where)
    if counted > CLEARLY * named:
        return from_one
    if not named:
        raise WrongInput(
            f"{where}: frame {min(truth)} of the truth has no picture, nor has any other: they are "
            f"numbered {numbers[0]} to {numbers[-1]}",
            remedy="number the pictures as the truth does",
        )
    return as_named


def _from_zero(
    numbers: Sequence[int], truth: Collection[int], from_one: dict[int, int], where: Path
) -> dict[int, int]:
    if from_one.keys() >= set(truth) or max(truth) == numbers[-1] + 1:
        return from_one
    raise WrongInput(
        f"{where}: the pictures are numbered from 0 and the truth from {min(truth)}, and some have "
        "no picture: the frames cannot be matched",
        remedy="number the pictures as the truth does",
    )


def _positions(groups: Mapping[Path, Sequence[str]]) -> Iterator[int]:
    """Places of a number in the names, from the last on."""
    fewest = min((len(numbers) for numbers in groups.values()), default=0)
    return iter(range(-1, -fewest - 1, -1))


def _twice(numbers: Mapping[Path, int]) -> WrongInput:
    first: dict[int, Path] = {}
    pairs = ((first.setdefault(number, path), path) for path, number in numbers.items())
    former, other = next((a, b) for a, b in pairs if a != b)
    return WrongInput(f"{former} and {other.name} are both frame {numbers[other]}", remedy=RENAME)
