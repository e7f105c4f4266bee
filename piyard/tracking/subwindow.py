"""The square around an object that NanoTrack's networks look at."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

from piyard.preprocess.window import window

if TYPE_CHECKING:
    from piyard.model.steps import Pixels

Levels = tuple[int, int, int]


def subwindow(
    picture: Pixels, centre: tuple[float, float], side: int, size: int, beyond: Levels
) -> Pixels:
    """``side`` pixels around the pixel at ``centre``, resampled to (made, made, 3).

    It begins at a whole pixel; outside the picture there is ``beyond``.
    """
    left, top = (floor(at - (side + 1) / 2 + 0.5) for at in centre)
    return window(picture, (left, top, side, side), (size, size), border=beyond)


def mean_levels(picture: Pixels) -> Levels:
    """The mean of each channel, cut off to a whole level as the authors' code does."""
    red, green, blue = picture.sum(axis=(0, 1), dtype=int) // (picture.shape[0] * picture.shape[1])
    return int(red), int(green), int(blue)
