"""One object that a network found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Corners = tuple[float, float, float, float]


class Found(msgspec.Struct, frozen=True, eq=False):
    """An object in a picture; coordinates are pixels of the picture, edges at whole numbers."""

    class_: int
    """Index into the model's labels."""
    score: float
    box: Corners
    """x0, y0, x1, y1, within the picture."""
    mask: NDArray[np.bool_] | None = None
    """The picture's (rows, columns); task segment."""
    keypoints: NDArray[np.float64] | None = None
    """(keypoints, 3) of x, y, score; task pose."""
