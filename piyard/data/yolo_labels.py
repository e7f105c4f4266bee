"""YOLO's label files: a line an object, its class's number first, then shares of the picture.

A box is ``class cx cy w h``, an outline ``class x y x y …``, a rotated box the same with four
corners, and a pose a box with ``x y`` or ``x y visibility`` of each keypoint after it. Of poses
no area is known: it is taken as 0.53 of the box, as Ultralytics' own evaluation does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from piyard.core.errors import WrongInput
from piyard.core.parsing import read_text
from piyard.data.dataset import Annotation, TruthFiles, box_around
from piyard.vision.pictures import read_picture_size
from piyard.vision.tasks.base import TruthKind

BOX_NUMBERS, CORNER_NUMBERS = 4, 8
FEWEST_POINTS = 3
"""Of an outline."""
POSE_AREA = 0.53
"""Of the area of the box."""
TOLERANCE = 0.01
"""How far outside of the picture a point may lie, by rounding: a share of its side."""
MOST_SHARE = 2.0
"""Of a corner: what is cut off by the picture's edge keeps its whole box."""
SEEN, NOT_LABELLED = 2.0, 0.0


class LabelRules(NamedTuple):
    """What a line must hold."""

    kind: TruthKind
    classes: int
    keypoints: tuple[int, int]
    """Of poses: how many, and the numbers of each."""


class LabelFiles(TruthFiles):
    """The objects of each picture, read when they are asked for; none without a label file."""

    def __init__(
        self, pictures: Sequence[Path], files: Mapping[Path, Path], rules: LabelRules
    ) -> None:
        self._pictures, self._files, self._rules = pictures, files, rules
        self._unread = set(files)

    def __getitem__(self, picture: Path) -> list[Annotation]:
        """Raises ``WrongInput`` with file and line for what is not a label."""
        file = self._files.get(picture)
        if file is None:
            return []
        lines = [(number, line.split()) for number, line in _lines(file)]
        first = {tuple(words): number for number, words in reversed(lines)}
        self._count_repeated(picture, len(lines) - len(first))
        size = read_picture_size(picture) if lines else (0, 0)
        return [
            _read_line(f"{file}:{number}", words, self._rules, size)
            for number, words in lines
            if first[tuple(words)] == number
        ]

    def _count_repeated(self, picture: Path, count: int) -> None:
        """Once, however often it is read."""
        self.repeated += count if picture in self._unread else 0
        self._unread.discard(picture)

    def __iter__(self) -> Iterator[Path]:
        return iter(self._pictures)

    def __len__(self) -> int:
        return len(self._pictures)


def kind_of_line(line: str) -> TruthKind:
    """What a line by itself looks like."""
    count = len(line.split()) - 1
    if count == BOX_NUMBERS:
        return "box"
    return "corners" if count == CORNER_NUMBERS else "outline"


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if line.strip():
            yield number, line


def _read_line(
    where: str, words: Sequence[str], rules: LabelRules, size: tuple[int, int]
) -> Annotation:
    try:
        class_, values = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        raise _line_error(where, "it holds what is not a number") from None
    if not (class_ >= 0 and class_ % 1 == 0 and class_ < rules.classes):
        last = rules.classes - 1
        raise _line_error(where, f"class {words[0]}, and the classes are 0 to {last}")
    if not all(map(isfinite, values)):
        raise _line_error(where, "it holds what is not a number")
    match rules.kind:
        case "keypoints":
            return _read_pose(where, int(class_), values, rules, size)
        case "corners":
            return _read_corners(where, int(class_), values, size)
        case "outline":
            return _read_outline(where, int(class_), values, size)
        case _:
            return _read_object(where, int(class_), values, size)


def _read_object(
    where: str, class_: int, values: Sequence[float], size: tuple[int, int]
) -> Annotation:
    """A box, or what is around an outline."""
    if len(values) != BOX_NUMBERS:
        return _read_outline(where, class_, values, size)
    centre_x, centre_y, width, height = values
    if width < 0 or height < 0:
        raise _line_error(where, "a width or height is negative")
    _require_shares(where, values)
    across, down = size
    box_size = (width * across, height * down)
    left, top = (centre_x - width / 2) * across, (centre_y - height / 2) * down
    return Annotation(
        class_=class_,
        box=(left, top, left + box_size[0], top + box_size[1]),
        size=box_size,
        area=box_size[0] * box_size[1],
    )


def _read_outline(
    where: str, class_: int, values: Sequence[float], size: tuple[int, int]
) -> Annotation:
    if len(values) == BOX_NUMBERS:
        raise _line_error(where, "a box, where an outline is needed: class x y x y x y …")
    if len(values) % 2 or len(values) < 2 * FEWEST_POINTS:
        raise _line_error(where, f"{len(values)} numbers after the class")
    _require_shares(where, values)
    points = _to_pixels(values, size)
    x0, y0, x1, y1 = box = box_around(points)
    return Annotation(
        class_=class_,
        box=box,
        size=(x1 - x0, y1 - y0),
        area=polygon_area(points),
        outline=[points],
    )


def _read_corners(
    where: str, class_: int, values: Sequence[float], size: tuple[int, int]
) -> Annotation:
    if len(values) != CORNER_NUMBERS:
        raise _line_error(
            where, f"{len(values)} numbers after the class, and a rotated box has {CORNER_NUMBERS}"
        )
    if max(map(abs, values)) > MOST_SHARE:
        raise _line_error(where, "a number is not a share of the picture")
    a, b, c, d, e, f, g, h = points = _to_pixels(values, size)
    x0, y0, x1, y1 = box = box_around(points)
    return Annotation(
        class_=class_,
        box=box,
        size=(x1 - x0, y1 - y0),
        area=polygon_area(points),
        corners=(a, b, c, d, e, f, g, h),
    )


def _read_pose(
    where: str, class_: int, values: Sequence[float], rules: LabelRules, size: tuple[int, int]
) -> Annotation:
    points, numbers = rules.keypoints
    if len(values) != BOX_NUMBERS + points * numbers:
        raise _line_error(
            where,
            f"{len(values)} numbers after the class, and {points} keypoints of {numbers} make "
            f"{BOX_NUMBERS + points * numbers}",
        )
    base = _read_object(where, class_, values[:BOX_NUMBERS], size)
    rest = values[BOX_NUMBERS:]
    return Annotation(
        class_=class_,
        box=base.box,
        size=base.size,
        area=POSE_AREA * base.area,
        keypoints=[
            _read_point(rest[at : at + numbers], size) for at in range(0, len(rest), numbers)
        ],
    )


def _read_point(values: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float]:
    """A point at 0, 0 or outside is not labelled, where no third number says so."""
    x, y = values[0], values[1]
    labelled = x >= 0 and y >= 0 and (x, y) != (0, 0)
    seen = values[2] if len(values) > 2 else SEEN if labelled else NOT_LABELLED
    return x * size[0], y * size[1], seen


def _require_shares(where: str, values: Sequence[float]) -> None:
    if not all(-TOLERANCE <= value <= 1 + TOLERANCE for value in values):
        raise _line_error(where, "a number is not a share of the picture, from 0 to 1")


def _to_pixels(values: Sequence[float], size: tuple[int, int]) -> list[float]:
    return [value * size[at % 2] for at, value in enumerate(values)]


def polygon_area(points: Sequence[float]) -> float:
    """Of a polygon x, y, x, y …, by Gauss's shoelace formula."""
    across, down = points[::2], points[1::2]
    crossed = (across[at - 1] * down[at] - across[at] * down[at - 1] for at in range(len(across)))
    return abs(sum(crossed)) / 2


def _line_error(where: str, problem: str) -> WrongInput:
    return WrongInput(f"{where}: {problem}", remedy="correct the line, or take it out")
