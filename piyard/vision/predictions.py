"""What is in a picture: classes, objects, masks as run lengths, as nnrun's log has them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeVar

import msgspec

from piyard.core.errors import UnreadableLog
from piyard.core.parsing import JsonValues
from piyard.vision.schema import Corners

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Mask


RotatedBox = tuple[float, float, float, float, float]
"""x, y, width, height, angle (``vision.rotated``)."""


class DecodedObject(msgspec.Struct, frozen=True, eq=False):
    """An object in a picture; coordinates are pixels of the picture, edges at whole numbers."""

    class_: int
    """Index into the model's labels."""
    score: float
    box: Corners
    """x0, y0, x1, y1, within the picture."""
    mask: Mask | None = None
    """The picture's (rows, columns); task segment."""
    keypoints: Doubles | None = None
    """(keypoints, 3) of x, y, score; task pose."""
    rotated: RotatedBox | None = None
    """Which ``box`` is around; task obb."""


LogLine = JsonValues
"""A line of nnrun's log."""
LineStruct = TypeVar("LineStruct")


class Rle(msgspec.Struct, frozen=True, kw_only=True):
    """A mask in COCO's compressed run-length encoding."""

    size: tuple[int, int]
    """Rows, columns."""
    counts: str


class PredictedObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object; coordinates are pixels of the picture, edges at whole numbers."""

    class_: int = msgspec.field(name="class")
    """Index into the model's labels."""
    label: str | None = None
    score: float
    box: Corners
    """x0, y0, x1, y1."""
    mask: Rle | None = None
    keypoints: list[tuple[float, float, float]] | None = None
    """x, y, score each."""
    rotated: RotatedBox | None = None
    id: int | None = None
    """Of the track."""

    @property
    def name(self) -> str:
        """The label, or the class's number where nnrun got no labels."""
        return self.label if self.label is not None else str(self.class_)


class ClassScore(msgspec.Struct, frozen=True, kw_only=True):
    """One of the classes of a picture."""

    index: int
    label: str | None = None
    score: float


class OutputValues(msgspec.Struct, frozen=True, kw_only=True):
    """One output of a net, of task other."""

    name: str
    shape: list[int]
    file: str = ""
    """With the values, in the run's folder."""
    min: float | None = None
    """None where a value is not finite."""
    mean: float | None = None
    max: float | None = None


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What is in one picture, or in one frame of a film."""

    name: str
    """The path or number nnrun gives it."""
    width: int
    height: int
    top: list[ClassScore] = []
    """Task classify: best first."""
    objects: list[PredictedObject] = []
    """The other tasks."""
    outputs: list[OutputValues] = []
    """Task other."""
    ms: dict[str, float] = {}
    """Milliseconds by stage: decode, pre, infer, post, draw."""


class InputError(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that nnrun could not read."""

    name: str
    error: str


FRAME_TYPES = {"classification", "objects", "outputs"}


def parse_frame(line: LogLine) -> Frame:
    """The frame of a line of one of ``FRAME_TYPES``; raises ``UnreadableLog``."""
    return _convert_line(line, Frame)


def parse_input_error(line: LogLine) -> InputError:
    """The mistake of a line of type ``error``."""
    return _convert_line(line, InputError)


def line_name(line: LogLine) -> str:
    """The picture's path, or the frame's number."""
    return str(line["image"]) if "image" in line else f"frame {line.get('frame', '?')}"


def _convert_line(line: LogLine, kind: type[LineStruct]) -> LineStruct:
    try:
        return msgspec.convert({"name": line_name(line), **line}, kind)
    except msgspec.ValidationError as error:
        raise UnreadableLog(
            f"nnrun's line about {line_name(line)} cannot be read: {error}"
        ) from None


def encode_mask(mask: Mask) -> Rle:
    """The encoding of a mask (rows, columns)."""
    import numpy as np
    from pycocotools import mask as coco

    runs = coco.encode(np.asfortranarray(mask, np.uint8))
    rows, columns = runs["size"]
    return Rle(size=(rows, columns), counts=runs["counts"].decode("ascii"))


def decode_mask(runs: Rle) -> Mask:
    """The mask (rows, columns)."""
    import numpy as np
    from pycocotools import mask as coco

    with warnings.catch_warnings():
        # pycocotools 2.0.11 hands numpy 2 an array in the way of numpy 1.
        warnings.filterwarnings("ignore", message="__array__", category=DeprecationWarning)
        return np.asarray(coco.decode(msgspec.to_builtins(runs)), np.bool_)


def mask_area(runs: Rle) -> int:
    """Pixels of a mask: the sum of every second run.

    A run is written in groups of five bits from the lowest on, each plus 48, the sixth bit telling
    that more follow, and from the fourth run on as the difference to the run two before (COCO's
    maskApi). pycocotools reads on behind the end of counts that break off, so it gets none unseen.
    """
    return sum(run_lengths(runs.counts)[1::2])


def run_lengths(counts: str) -> list[int]:
    """The runs, beginning with one of what is not in the mask."""
    runs: list[int] = []
    at = 0
    while at < len(counts):
        value, at = _read_run(counts, at)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _read_run(counts: str, at: int) -> tuple[int, int]:
    value, shift, more = 0, 0, True
    group = 0
    while more and at < len(counts):
        group = ord(counts[at]) - 48
        value |= (group & 0x1F) << shift
        more, at, shift = bool(group & 0x20), at + 1, shift + 5
    return (value - (1 << shift) if group & 0x10 else value), at
