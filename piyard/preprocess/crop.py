"""Fit ``crop``: the short side to a length, then the square in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.model.steps import Crop
from piyard.preprocess.placing import Axis, Placing

if TYPE_CHECKING:
    from PIL.Image import Image


def cut(picture: Image, how: Crop) -> Image:
    """Resized by its short side, then the centre square, rounded as torchvision rounds."""
    from PIL import Image

    made = _resized(picture.size, how.resize)
    left, top = _corner(made, how.crop)
    small = picture.resize(made, Image.Resampling[how.resample.upper()])
    return small.crop((left, top, left + how.crop, top + how.crop))


def placing(size: tuple[int, int], how: Crop) -> Placing:
    """Where a picture of ``size`` = (width, height) lies in the square."""
    made = _resized(size, how.resize)
    left, top = _corner(made, how.crop)
    return Placing(
        size=size,
        x=Axis(length=size[0], made=made[0], margin=-left),
        y=Axis(length=size[1], made=made[1], margin=-top),
    )


def _corner(made: tuple[int, int], side: int) -> tuple[int, int]:
    left, top = (round((length - side) / 2) for length in made)
    return left, top


def _resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short
