"""Picture → network input, and the Placing that leads back, for each kind of fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.model.steps import Box, Corners, Crop, Letterbox, Preprocess, Stretch
from piyard.preprocess import around, crop, whole
from piyard.preprocess.normal import normalised
from piyard.preprocess.picture import pixels, rgb
from piyard.preprocess.placing import Placing

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.model.steps import Floats, Pixels


def apply(picture: Image, fit: Preprocess, size: tuple[int, int]) -> Floats:
    """The network's input (3, *size), contiguous; for fit ``box`` the object is the whole picture.

    ``size`` is (rows, columns), as in ``Model.input[1:]``.
    """
    return normalised(_fitted(rgb(picture), fit, size), fit)


def placing(picture: tuple[int, int], fit: Preprocess, size: tuple[int, int]) -> Placing:
    """Where ``apply`` puts a picture of that (width, height) in an input of (rows, columns)."""
    match fit:
        case Crop():
            return crop.placing(picture, fit)
        case Letterbox():
            return whole.letterbox(picture, fit, size)
        case Stretch():
            return whole.stretch(picture, size)
        case Box():
            return placing_box(picture, _all(picture), fit, size)


def apply_box(picture: Image, box: Corners, fit: Box, size: tuple[int, int]) -> Floats:
    """The network's input (3, *size) for the object in ``box`` of the picture."""
    return normalised(around.cut(rgb(picture), around.region(box, fit, size), size), fit)


def placing_box(picture: tuple[int, int], box: Corners, fit: Box, size: tuple[int, int]) -> Placing:
    """Where ``apply_box`` puts a picture of that (width, height)."""
    return around.placing(picture, around.region(box, fit, size), size)


def _fitted(picture: Image, fit: Preprocess, size: tuple[int, int]) -> Pixels:
    match fit:
        case Crop():
            return pixels(crop.cut(picture, fit))
        case Letterbox():
            return whole.letterboxed(picture, fit, size)
        case Stretch():
            return whole.resized(picture, size, fit.resample)
        case Box():
            return around.cut(picture, around.region(_all(picture.size), fit, size), size)


def _all(size: tuple[int, int]) -> Corners:
    return 0.0, 0.0, float(size[0]), float(size[1])
