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


def letterboxed(picture: Image, fit: Letterbox, size: tuple[int, int]) -> Pixels:
    """The picture as large as its proportions allow within ``size``, the rest ``how.pad``."""
    import numpy as np

    at = letterbox(picture.size, fit, size)
    top, left, height, width = map(int, (at.y.margin, at.x.margin, at.y.scaled, at.x.scaled))
    levels = np.empty((*size, 3), np.uint8)
    levels[:] = fit.pad
    levels[top : top + height, left : left + width] = resized(
        picture, (height, width), fit.resample
    )
    return levels


def letterbox(picture: tuple[int, int], fit: Letterbox, size: tuple[int, int]) -> Placing:
    """Both sides times the smaller ratio, rounded half to even, at least one pixel."""
    ratio = min(size[1] / picture[0], size[0] / picture[1])
    scaled = [max(1, round(side * ratio)) for side in picture]
    margins = [there - here for there, here in zip(size[::-1], scaled, strict=True)]
    left, top = (margin // 2 if fit.place == "centre" else 0 for margin in margins)
    return Placing(
        size=picture,
        x=Axis(length=picture[0], scaled=scaled[0], margin=left),
        y=Axis(length=picture[1], scaled=scaled[1], margin=top),
    )


def stretch(picture: tuple[int, int], size: tuple[int, int]) -> Placing:
    """The whole picture on the whole input."""
    return Placing(
        size=picture,
        x=Axis(length=picture[0], scaled=size[1]),
        y=Axis(length=picture[1], scaled=size[0]),
    )
