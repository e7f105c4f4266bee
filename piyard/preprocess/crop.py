"""Fit ``crop``: the short side to a length, then the square in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.model.steps import Crop
from piyard.preprocess.placing import Axis, Placing

if TYPE_CHECKING:
    from PIL.Image import Image


def cut(picture: Image, fit: Crop) -> Image:
    """Resized by its short side, then the centre square, rounded as torchvision rounds."""
    from PIL import Image

    resized = _resized(picture.size, fit.resize)
    left, top = _corner(resized, fit.crop)
    small = picture.resize(resized, Image.Resampling[fit.resample.upper()])
    return small.crop((left, top, left + fit.crop, top + fit.crop))


def placing(size: tuple[int, int], fit: Crop) -> Placing:
    """Where a picture of ``size`` = (width, height) lies in the square."""
    resized = _resized(size, fit.resize)
    left, top = _corner(resized, fit.crop)
    return Placing(
        size=size,
        x=Axis(length=size[0], scaled=resized[0], margin=-left),
        y=Axis(length=size[1], scaled=resized[1], margin=-top),
    )


def _corner(resized: tuple[int, int], side: int) -> tuple[int, int]:
    left, top = (round((length - side) / 2) for length in resized)
    return left, top


def _resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short
