"""Numbers to int8 as ncnn rounds them, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from piyard.vision.schema import Floats

LARGEST = 127
"""ncnn's int8 is symmetric: -127 to 127 (src/layer/quantize.cpp)."""


def round_to_int8(values: Floats, scales: Floats | float) -> NDArray[Any]:
    """Halves away from zero, as C's ``round``."""
    import numpy as np

    scaled = values.astype(np.float32) * np.asarray(scales, np.float32)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    whole: NDArray[Any] = np.clip(rounded, -LARGEST, LARGEST).astype(np.int8)
    return whole


def snap(values: Floats, scales: Floats | float) -> Floats:
    """The numbers that int8 has for these, as floats."""
    import numpy as np

    by: Floats = np.asarray(scales, np.float32)
    whole: Floats = round_to_int8(values, by).astype(np.float32)
    return whole / by


def scales_of_rows(rows: Floats) -> list[float]:
    """For each row the scale by which its largest number is 127; 1 for one of zeros."""
    import numpy as np

    peaks = np.abs(rows).max(axis=1, initial=0.0)
    scales = np.where(peaks > 0, LARGEST / np.where(peaks > 0, peaks, 1), 1)
    return [float(scale) for scale in scales.astype(np.float32)]
