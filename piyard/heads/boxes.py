"""Boxes (n, 4) of x0, y0, x1, y1: how much they overlap, and which of them stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piyard.model.steps import Doubles, Indices


def area(boxes: Doubles) -> Doubles:
    """Width x height; 0 for a box that is turned inside out."""
    import numpy as np

    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    areas: Doubles = sides[..., 0] * sides[..., 1]
    return areas


def iou(ours: Doubles, theirs: Doubles) -> Doubles:
    """Intersection over union of each of ``ours`` with each of ``theirs``; 0 for 0 over 0."""
    import numpy as np

    low = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    high = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    shared = area(np.concatenate([low, high], axis=-1))
    union = area(ours)[:, None] + area(theirs)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def nms(boxes: Doubles, classes: Indices, threshold: float) -> Indices:
    """Which of ``boxes``, best first, stay.

    Greedy: one that stays ends every later one of its class whose IoU with it is above
    ``threshold``.
    """
    import numpy as np

    kept = np.ones(len(boxes), np.bool_)
    for index in range(len(boxes)):
        if kept[index]:
            later = (
                index
                + 1
                + np.flatnonzero(kept[index + 1 :] & (classes[index + 1 :] == classes[index]))
            )
            overlap = iou(boxes[index : index + 1], boxes[later])[0]
            kept[later[overlap > threshold]] = False
    return np.flatnonzero(kept)
