"""Fits ``letterbox`` and ``stretch``: the whole picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.model.steps import Letterbox, Resample
from piyard.preprocess.picture import pixels
from piyard.preprocess.placing import Axis, Placing
from piyard.preprocess.window import window

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.model.steps import Pixels


def resized(picture: Image, size: tuple[int, int], resample: Resample) -> Pixels:
    """The picture as (rows, columns) = ``size``."""
    from PIL import Image

    if resample == "linear":
        return window(pixels(picture), (0, 0, picture.width, picture.height), size)
    return pixels(picture.resize(size[::-1], Image.Resampling[resample.upper()]))


def letterboxed(picture: Image, how: Letterbox, size: tuple[int, int]) -> Pixels:
    """The picture as large as its proportions allow within ``size``, the rest ``how.pad``."""
    import numpy as np

    at = letterbox(picture.size, how, size)
    top, left, height, width = map(int, (at.y.margin, at.x.margin, at.y.made, at.x.made))
    filled = np.empty((*size, 3), np.uint8)
    filled[:] = how.pad
    filled[top : top + height, left : left + width] = resized(
        picture, (height, width), how.resample
    )
    return filled


def letterbox(picture: tuple[int, int], how: Letterbox, size: tuple[int, int]) -> Placing:
    """Both sides times the smaller ratio, rounded half to even, at least one pixel."""
    ratio = min(size[1] / picture[0], size[0] / picture[1])
    made = [max(1, round(side * ratio)) for side in picture]
    spare = [there - here for there, here in zip(size[::-1], made, strict=True)]
    left, top = (one // 2 if how.place == "centre" else 0 for one in spare)
    return Placing(
        size=picture,
        x=Axis(length=picture[0], made=made[0], margin=left),
        y=Axis(length=picture[1], made=made[1], margin=top),
    )


def stretch(picture: tuple[int, int], size: tuple[int, int]) -> Placing:
    """The whole picture on the whole input."""
    return Placing(
        size=picture,
        x=Axis(length=picture[0], made=size[1]),
        y=Axis(length=picture[1], made=size[0]),
    )
