"""MOTChallenge's text files: detections and truth.

A line is ``frame, id, left, top, width, height, score, ...``, frames and ids from 1 up, in some
data frames from 0 (Dendorfer et al. 2021, "MOTChallenge: A Benchmark for Single-Camera Multiple
Target Tracking"). In a truth file the seventh value says whether the box counts, the eighth is its
class; MOT15 knows no classes and has world coordinates there. Lefts and tops are taken as they are.
"""

from __future__ import annotations

import configparser
from collections import defaultdict
from collections.abc import Iterable
from math import isfinite
from pathlib import Path

import msgspec

from piyard import textfile
from piyard.errors import WrongInput
from piyard.model.steps import Corners
from piyard.tracking.bytetrack import FARTHEST_CORNER, Detection, followable

PEDESTRIAN = 1
DISTRACTORS = frozenset({2, 7, 8, 12})
"""Person on a vehicle, static person, distractor, reflection: found or not, they do not count."""

MOST_FRAMES = 10_000_000

REMEDY = "a line is frame,id,left,top,width,height,score"


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """An object that is there."""

    id: int
    box: Corners
    """x0, y0, x1, y1."""
    counts: bool = True
    distractor: bool = False


class Sequence(msgspec.Struct, frozen=True, kw_only=True):
    """What a sequence's seqinfo.ini says."""

    name: str
    fps: float
    length: int
    """Frames."""
    size: tuple[int, int]
    """Width, height."""
    pictures: Path
    """The folder of its frames."""


def read_detections(path: Path) -> dict[int, list[Detection]]:
    """The detections of each frame that has any, in the file's order.

    A score above 1, as some detectors of MOT15 give it, is taken as 1; a box of less than a
    hundredth of a pixel in a side is left out. Raises ``WrongInput``.
    """
    detections = defaultdict(list)
    for frame, _, box, rest in _rows(path, first=1):
        if followable(box):
            score = min(rest[0], 1.0) if rest else 1.0
            detections[frame].append(Detection(box=box, score=score))
    return dict(detections)


def read_truth(path: Path, *, classes: bool = True) -> dict[int, list[Truth]]:
    """The truth of each frame that has any; without ``classes`` (MOT15) all boxes are alike.

    Raises ``WrongInput``.
    """
    there = defaultdict(list)
    for frame, identity, box, rest in _rows(path, first=0):
        category = int(rest[1]) if classes and len(rest) > 1 else PEDESTRIAN
        counts = bool(not rest or rest[0]) and category == PEDESTRIAN
        there[frame].append(
            Truth(id=identity, box=box, counts=counts, distractor=category in DISTRACTORS)
        )
    return dict(there)


def read_sequence(folder: Path) -> Sequence:
    """The sequence in that folder (img1/, gt/, det/, seqinfo.ini). Raises ``WrongInput``."""
    path = folder / "seqinfo.ini"
    parser = configparser.ConfigParser()
    try:
        parser.read_string(textfile.read(path))
        section = parser["Sequence"]
        return Sequence(
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


def _rows(path: Path, first: int) -> Iterable[tuple[int, int, Corners, list[float]]]:
    for number, line in enumerate(textfile.read(path).splitlines(), start=1):
        if line.strip():
            yield _row(path, number, line, first)


def _row(path: Path, number: int, line: str, first: int) -> tuple[int, int, Corners, list[float]]:
    try:
        values = [float(word) for word in line.split(",")]
        frame, identity, left, top, width, height = values[:6]
    except ValueError:
        raise WrongInput(f"{path}:{number}: not MOTChallenge: {line!r}", remedy=REMEDY) from None
    box = (left, top, left + width, top + height)
    if not all(map(isfinite, values)) or not _possible(frame - first, identity, box):
        raise WrongInput(f"{path}:{number}: impossible: {line!r}", remedy=REMEDY)
    return int(frame), int(identity), box, values[6:]


def _possible(after: float, identity: float, box: Corners) -> bool:
    whole = not after % 1 and not identity % 1
    near = all(abs(corner) <= FARTHEST_CORNER for corner in box)
    return whole and 0 <= after < MOST_FRAMES and near
