"""One object that a network found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from piyard.model.steps import Corners

if TYPE_CHECKING:
    from piyard.model.steps import Doubles, Mask


class Found(msgspec.Struct, frozen=True, eq=False):
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
