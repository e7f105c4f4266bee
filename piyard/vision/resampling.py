"""A region of a picture at another size, bit by bit as nnrun resamples it.

``linear`` takes four pixels a sample, in integers: the positions are OpenCV's INTER_LINEAR ones,
the fractions have 11 bits as there, and the sum is rounded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.vision.schema import Indices, Pixels

    Sums = NDArray[np.uint32]


FRACTION_ONE = 2048


class AxisSamples(NamedTuple):
    """Along one direction: the first pixel, and the second one's weight of ``FRACTION_ONE``."""

    first: Indices
    second_weight: NDArray[np.uint32]


def resample_region(
    picture: Pixels,
    region: tuple[float, float, float, float],
    size: tuple[int, int],
    border: tuple[int, int, int] | None = None,
) -> Pixels:
    """``region`` = (x0, y0, width, height) of ``picture`` (rows, columns, 3) as (rows, columns).

    Output column d samples at s = x0 + (d + 0.5) * (width / columns) - 0.5, in doubles and in that
    order, then as a float; i = floor(s), f = round_half_even((s - i) * 2048); rows alike. A row's
    sum S is that of the pixels at i and i + 1, weighted 2048 - f and f; of the sums of two rows the
    level is (((2048 - f) * (S0 >> 4) >> 16) + (f * (S1 >> 4) >> 16) + 2) >> 2. A whole picture is
    so resized to the same bits as by OpenCV 4's cv2.resize with INTER_LINEAR.
    Outside the picture there is ``border``, or, if None, the picture's nearest pixel.
    """
    import numpy as np

    x0, y0, width, height = region
    rows, columns = sample_axis(y0, height, size[0]), sample_axis(x0, width, size[1])
    upper = _sample_row(picture, rows.first, columns, border)
    lower = _sample_row(picture, rows.first + 1, columns, border)
    weight = rows.second_weight[:, None, None]
    shares = ((FRACTION_ONE - weight) * (upper >> 4) >> 16) + (weight * (lower >> 4) >> 16)
    levels: Pixels = ((shares + 2) >> 2).astype(np.uint8)
    return levels


def sample_axis(start: float, length: float, count: int) -> AxisSamples:
    """``count`` samples spread over ``length`` pixels from ``start`` on."""
    import numpy as np

    exact = start + (np.arange(count, dtype=np.float64) + 0.5) * (length / count) - 0.5
    at = exact.astype(np.float32)
    first = np.floor(at)
    return AxisSamples(
        first.astype(np.int64), np.rint((at - first) * FRACTION_ONE).astype(np.uint32)
    )


def _sample_row(
    picture: Pixels, rows: Indices, columns: AxisSamples, border: tuple[int, int, int] | None
) -> Sums:
    """The columns' weighted sums in those rows."""
    left = _gather_pixels(picture, rows, columns.first, border)
    right = _gather_pixels(picture, rows, columns.first + 1, border)
    weight = columns.second_weight[None, :, None]
    total: Sums = left * (FRACTION_ONE - weight) + right * weight
    return total


def _gather_pixels(
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
