"""Fit ``box``: what is around one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.model.steps import Box, Corners
from piyard.preprocess.picture import pixels
from piyard.preprocess.placing import Axis, Placing
from piyard.preprocess.window import window

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.model.steps import Pixels


BLACK = (0, 0, 0)

Region = tuple[float, float, float, float]
"""x0, y0, width, height."""


def region(box: Corners, fit: Box, size: tuple[int, int]) -> Region:
    """The region shown for the object in ``box``, in doubles.

    Width w and height h of the box; where w * rows > h * columns, h = w * rows / columns, else
    w = h * columns / rows; then both times ``padding``, around (x0 + x1) / 2, (y0 + y1) / 2.
    """
    rows, columns = size
    w, h = box[2] - box[0], box[3] - box[1]
    if w * rows > h * columns:
        h = w * rows / columns
    else:
        w = h * columns / rows
    w, h = w * fit.padding, h * fit.padding
    return (box[0] + box[2]) / 2 - w / 2, (box[1] + box[3]) / 2 - h / 2, w, h


def cut(picture: Image, shown: Region, size: tuple[int, int]) -> Pixels:
    """That region as (rows, columns) = ``size``, black beyond the picture."""
    return window(pixels(picture), shown, size, border=BLACK)


def placing(picture: tuple[int, int], shown: Region, size: tuple[int, int]) -> Placing:
    """Where a picture of that (width, height) lies."""
    x0, y0, width, height = shown
    return Placing(
        size=picture,
        x=Axis(length=width, scaled=size[1], start=x0),
        y=Axis(length=height, scaled=size[0], start=y0),
    )
