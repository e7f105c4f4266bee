"""Clips and their truth: frames in order, MOTChallenge's text files and OTB's.

A line of MOTChallenge is ``frame, id, left, top, width, height, score, ...``, frames and ids from
1 up, in some data frames from 0 (Dendorfer et al. 2021, "MOTChallenge: A Benchmark for Single-
Camera Multiple Target Tracking"). In a truth file the seventh value says whether the box counts,
the eighth is its class; MOT15 knows no classes and has world coordinates there. Lefts and tops
are taken as they are.
"""

from __future__ import annotations

import configparser
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.parsing import read_text
from piyard.vision.bytetrack import FARTHEST_CORNER
from piyard.vision.pictures import list_pictures
from piyard.vision.schema import Corners

FRAME_DIGITS = re.compile(r"[0-9]+")
CLEAR_MAJORITY = 2
"""So many times more frames of the truth have a picture one way than the other."""
RENAME_REMEDY = "name them by their numbers, as 000001.jpg"


def number_frames(folder: Path) -> dict[int, Path]:
    """Number → picture, in the order of the numbers; none without such a folder.

    A number is the last one in a name, or, where all have the same there, the one before. Raises
    ``WrongInput`` for a name without a number, and for a number that two pictures have.
    """
    paths = list_pictures(folder).pictures if folder.is_dir() else []
    groups = {path: FRAME_DIGITS.findall(path.stem) for path in paths}
    for path, digits in groups.items():
        if not digits:
            raise WrongInput(f"{path} has no frame number in its name", remedy=RENAME_REMEDY)
    for place in _number_positions(groups):
        numbers = {path: int(digits[place]) for path, digits in groups.items()}
        if len(set(numbers.values())) == len(numbers):
            return {numbers[path]: path for path in sorted(paths, key=lambda path: numbers[path])}
    if not paths:
        return {}
    raise _duplicate_error({path: int(digits[-1]) for path, digits in groups.items()})


def place_frames(
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
        return _count_from_zero(numbers, truth, from_one, where)
    if counted > CLEAR_MAJORITY * named:
        return from_one
    if not named:
        raise WrongInput(
            f"{where}: frame {min(truth)} of the truth has no picture, nor has any other: they are "
            f"numbered {numbers[0]} to {numbers[-1]}",
            remedy="number the pictures as the truth does",
        )
    return as_named


def _count_from_zero(
    numbers: Sequence[int], truth: Collection[int], from_one: dict[int, int], where: Path
) -> dict[int, int]:
    if from_one.keys() >= set(truth) or max(truth) == numbers[-1] + 1:
        return from_one
    raise WrongInput(
        f"{where}: the pictures are numbered from 0 and the truth from {min(truth)}, and some have "
        "no picture: the frames cannot be matched",
        remedy="number the pictures as the truth does",
    )


def _number_positions(groups: Mapping[Path, Sequence[str]]) -> Iterator[int]:
    """Places of a number in the names, from the last on."""
    fewest = min((len(numbers) for numbers in groups.values()), default=0)
    return iter(range(-1, -fewest - 1, -1))


def _duplicate_error(numbers: Mapping[Path, int]) -> WrongInput:
    first: dict[int, Path] = {}
    pairs = ((first.setdefault(number, path), path) for path, number in numbers.items())
    former, other = next((a, b) for a, b in pairs if a != b)
    return WrongInput(
        f"{former} and {other.name} are both frame {numbers[other]}", remedy=RENAME_REMEDY
    )


PEDESTRIAN = 1
DISTRACTORS = frozenset({2, 7, 8, 12})
"""Person on a vehicle, static person, distractor, reflection: found or not, they do not count."""

MOST_FRAMES = 10_000_000

LINE_REMEDY = "a line is frame,id,left,top,width,height,score"


class TrueObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object that is there."""

    id: int
    box: Corners
    """x0, y0, x1, y1."""
    counts: bool = True
    distractor: bool = False


class SequenceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a sequence's seqinfo.ini says."""

    name: str
    fps: float
    length: int
    """Frames."""
    size: tuple[int, int]
    """Width, height."""
    pictures: Path
    """The folder of its frames."""


def read_mot_truth(path: Path, *, classes: bool = True) -> dict[int, list[TrueObject]]:
    """The truth of each frame that has any; without ``classes`` (MOT15) all boxes are alike.

    Raises ``WrongInput``.
    """
    there = defaultdict(list)
    for frame, identity, box, rest in mot_rows(path, first=0):
        category = int(rest[1]) if classes and len(rest) > 1 else PEDESTRIAN
        counts = bool(not rest or rest[0]) and category == PEDESTRIAN
        there[frame].append(
            TrueObject(id=identity, box=box, counts=counts, distractor=category in DISTRACTORS)
        )
    return dict(there)


def read_sequence_info(folder: Path) -> SequenceInfo:
    """The sequence in that folder (img1/, gt/, det/, seqinfo.ini). Raises ``WrongInput``."""
    path = folder / "seqinfo.ini"
    parser = configparser.ConfigParser()
    try:
        parser.read_string(read_text(path))
        section = parser["Sequence"]
        return SequenceInfo(
            name=section["name"],
            fps=float(section["frameRate"]),
            length=int(section["seqLength"]),
            size=(int(section["imWidth"]), int(section["imHeight"])),
            pictures=folder / section.get("imDir", "img1"),
        )
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        raise WrongInput(
            f"{path} does not describe a sequence: {error}",
            remedy="it needs name, frameRate, seqLength, imWidth and imHeight under [Sequence]",
        ) from None


def mot_rows(path: Path, first: int) -> Iterable[tuple[int, int, Corners, list[float]]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            yield _mot_row(path, number, line, first)


def _mot_row(
    path: Path, number: int, line: str, first: int
) -> tuple[int, int, Corners, list[float]]:
    try:
        values = [float(word) for word in line.split(",")]
        frame, identity, left, top, width, height = values[:6]
    except ValueError:
        raise WrongInput(
            f"{path}:{number}: not MOTChallenge: {line!r}", remedy=LINE_REMEDY
        ) from None
    box = (left, top, left + width, top + height)
    if not all(map(isfinite, values)) or not _is_possible(frame - first, identity, box):
        raise WrongInput(f"{path}:{number}: impossible: {line!r}", remedy=LINE_REMEDY)
    return int(frame), int(identity), box, values[6:]


def _is_possible(after: float, identity: float, box: Corners) -> bool:
    whole = not after % 1 and not identity % 1
    near = all(abs(corner) <= FARTHEST_CORNER for corner in box)
    return whole and 0 <= after < MOST_FRAMES and near


def read_otb_truth(path: Path) -> list[Corners]:
    """groundtruth_rect.txt: ``x y w h`` a frame, by comma, blank or tab, pixels counted from 1.

    Gives x0, y0, x1, y1 with the picture's left upper corner at 0, 0. Raises ``WrongInput``.
    """
    lines = read_text(path).split("\n")
    return [
        _read_otb_box(path, number, line) for number, line in enumerate(lines, 1) if line.strip()
    ]


def _read_otb_box(path: Path, number: int, line: str) -> Corners:
    try:
        x, y, width, height = map(float, re.split(r"[,\s]+", line.strip()))
    except ValueError:
        raise WrongInput(f"{path}:{number}: not x y w h: {line!r}") from None
    if not all(map(isfinite, (x, y, width, height))):
        raise WrongInput(f"{path}:{number}: not x y w h: {line!r}")
    return x - 1, y - 1, x - 1 + width, y - 1 + height
