"""How much boxes overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piyard.model.steps import Doubles


def iou(ours: Doubles, theirs: Doubles, *, inclusive: bool = False) -> Doubles:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4) of x0, y0, x1, y1.

    ``inclusive`` counts the pixel at x1 and y1 in, as the authors of ByteTrack do.
    """
    import numpy as np

    more = 1.0 if inclusive else 0.0
    least = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    sides = np.maximum(least - np.maximum(ours[:, None, :2], theirs[None, :, :2]) + more, 0)
    shared: Doubles = sides[..., 0] * sides[..., 1]
    total = _areas(ours, more)[:, None] + _areas(theirs, more)[None, :] - shared
    return np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)


def _areas(boxes: Doubles, more: float) -> Doubles:
    areas: Doubles = (boxes[:, 2] - boxes[:, 0] + more) * (boxes[:, 3] - boxes[:, 1] + more)
    return areas
