"""nnrun's predictions for one picture or frame, as its log has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from piyard.errors import UnreadableLog
from piyard.model.steps import Corners

Line = Mapping[str, Any]
"""A line of nnrun's log."""
K = TypeVar("K")


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """A mask in COCO's compressed run-length encoding."""

    size: tuple[int, int]
    """Rows, columns."""
    counts: str


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """One object; coordinates are pixels of the picture, edges at whole numbers."""

    class_: int = msgspec.field(name="class")
    """Index into the model's labels."""
    label: str | None = None
    score: float
    box: Corners
    """x0, y0, x1, y1."""
    mask: Runs | None = None
    keypoints: list[tuple[float, float, float]] | None = None
    """x, y, score each."""
    id: int | None = None
    """Of the track."""

    @property
    def name(self) -> str:
        """The label, or the class's number where nnrun got no labels."""
        return self.label if self.label is not None else str(self.class_)


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One of the classes of a picture."""

    index: int
    label: str | None = None
    score: float


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What is in one picture, or in one frame of a film."""

    name: str
    """The path or number nnrun gives it."""
    width: int
    height: int
    top: list[Hit] = []
    """Task classify: best first."""
    objects: list[Object] = []
    """The other tasks."""
    ms: dict[str, float] = {}
    """Milliseconds by stage: decode, pre, infer, post, draw."""


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that nnrun could not read."""

    name: str
    error: str


FRAMES = {"classification", "objects"}


def frame(line: Line) -> Frame:
    """The frame of a line of type ``classification`` or ``objects``; raises ``UnreadableLog``."""
    return _converted(line, Frame)


def wrong(line: Line) -> Wrong:
    """The mistake of a line of type ``error``."""
    return _converted(line, Wrong)


def name(line: Line) -> str:
    """The picture's path, or the frame's number."""
    return str(line["image"]) if "image" in line else f"frame {line.get('frame', '?')}"


def _converted(line: Line, kind: type[K]) -> K:
    try:
        return msgspec.convert({"name": name(line), **line}, kind)
    except msgspec.ValidationError as error:
        raise UnreadableLog(f"nnrun's line about {name(line)} cannot be read: {error}") from None
