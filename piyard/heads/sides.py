"""A place's channels → a box in pixels of the network's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.heads.layout import Layout
from piyard.heads.places import Places
from piyard.model.head import DenseHead, Fcos, Nanodet, Rtmdet, Yolov8, Yolox

if TYPE_CHECKING:
    from piyard.model.steps import Doubles


LARGEST = 80.0
"""Logarithm of a size that is far beyond any picture, and whose square is still a number."""


def boxes(head: DenseHead, places: Places, at: Layout) -> Doubles:
    """(places, 4) of x0, y0, x1, y1; not clipped."""
    values = places.values[:, at.box]
    match head:
        case Yolov8() | Nanodet():
            sides = _expected(values.reshape(len(values), 4, head.bins)) * places.strides
            return _around(places.corners + places.strides / 2, sides)
        case Yolox():
            return _yolox(values, places)
        case Rtmdet():
            return _around(places.corners, values)
        case Fcos():
            # torchvision's anchors are centred on corners of places, not on their middles.
            return _around(places.corners, values.clip(min=0) * places.strides)


def _around(points: Doubles, sides: Doubles) -> Doubles:
    """Boxes whose left, top, right and bottom are ``sides`` away from ``points``."""
    import numpy as np

    return np.concatenate([points - sides[:, :2], points + sides[:, 2:]], axis=1)


def _expected(logits: Doubles) -> Doubles:
    """The mean of 0..bins-1 under the softmax of the last axis.

    That is the integral of Generalized Focal Loss (Li et al. 2020).
    """
    import numpy as np

    weights = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    mean: Doubles = (weights @ np.arange(logits.shape[-1])) / weights.sum(axis=-1)
    return mean


def _yolox(values: Doubles, places: Places) -> Doubles:
    import numpy as np

    centres = places.corners + values[:, :2] * places.strides
    half = np.exp(values[:, 2:].clip(max=LARGEST)) * places.strides / 2
    return np.concatenate([centres - half, centres + half], axis=1)
