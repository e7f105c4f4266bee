"""Resampling ``linear``: four pixels a sample, in integers, so that nnrun gets the same bits.

The positions are OpenCV's INTER_LINEAR ones, the fractions have 11 bits as there, and the sum is
rounded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.model.steps import Indices, Pixels

    Sums = NDArray[np.uint32]

ONE = 2048


class Samples(NamedTuple):
    """Along one direction: the first pixel's index, and the second one's weight of ``ONE``."""

    first: Indices
    second_weight: NDArray[np.uint32]


def window(
    picture: Pixels,
    region: tuple[float, float, float, float],
    size: tuple[int, int],
    border: tuple[int, int, int] | None = None,
) -> Pixels:
    """``region`` = (x0, y0, width, height) of ``picture`` (rows, columns, 3) as (rows, columns).

    Output column d samples at s = x0 + (d + 0.5) * (width / columns) - 0.5, in doubles and in that
    order; i = floor(s), f = round_half_even((s - i) * 2048); rows alike. The level is
    (the pixels at i and i + 1 weighted 2048 - f and f in both directions + 2^21) >> 22.
    Outside the picture there is ``border``, or, if None, the picture's nearest pixel.
    """
    import numpy as np

    x0, y0, width, height = region
    rows, columns = samples(y0, height, size[0]), samples(x0, width, size[1])
    upper = _row(picture, rows.first, columns, border)
    lower = _row(picture, rows.first + 1, columns, border)
    weight = rows.second_weight[:, None, None]
    total: Sums = upper * (ONE - weight) + lower * weight
    levels: Pixels = ((total + ONE * ONE // 2) // (ONE * ONE)).astype(np.uint8)
    return levels


def samples(start: float, length: float, count: int) -> Samples:
    """``count`` samples spread over ``length`` pixels from ``start`` on."""
    import numpy as np

    at = start + (np.arange(count, dtype=np.float64) + 0.5) * (length / count) - 0.5
    first = np.floor(at)
    return Samples(first.astype(np.int64), np.rint((at - first) * ONE).astype(np.uint32))


def _row(
    picture: Pixels, rows: Indices, columns: Samples, border: tuple[int, int, int] | None
) -> Sums:
    """The columns' weighted sums in those rows."""
    left = _gathered(picture, rows, columns.first, border)
    right = _gathered(picture, rows, columns.first + 1, border)
    weight = columns.second_weight[None, :, None]
    total: Sums = left * (ONE - weight) + right * weight
    return total


def _gathered(
    picture: Pixels,
    rows: Indices,
    columns: Indices,
    border: tuple[int, int, int] | None,
) -> Pixels:
    import numpy as np

    height, width = picture.shape[:2]
    gathered: Pixels = picture[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    if border is not None:
        gathered[(rows < 0) | (rows >= height)] = border
        gathered[:, (columns < 0) | (columns >= width)] = border
    return gathered
