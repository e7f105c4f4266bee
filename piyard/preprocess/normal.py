"""Levels → the numbers a network was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.model.steps import Normalise

if TYPE_CHECKING:
    from piyard.model.steps import Doubles, Floats, Pixels


def normalised(pixels: Pixels, steps: Normalise) -> Floats:
    """The network's input of R, G, B levels (rows, columns, 3): (3, rows, columns), contiguous."""
    import numpy as np

    ordered = pixels if steps.order == "rgb" else pixels[..., ::-1]
    return np.ascontiguousarray(_scaled(ordered, steps).transpose(2, 0, 1))


def _scaled(pixels: Pixels, steps: Normalise) -> Floats:
    """``value * norm + (-mean * norm)`` in float32 with one rounding, as a fused multiply-add.

    That is ncnn's substract_mean_normalize on a CPU with such an instruction; in float64 product
    and sum are exact, so the last conversion is the only rounding.
    """
    import numpy as np

    mean, norm = (np.asarray(figures, np.float32) for figures in (steps.mean, steps.norm))
    bias = (-mean * norm).astype(np.float64)
    exact: Doubles = pixels.astype(np.float64) * norm.astype(np.float64) + bias
    return exact.astype(np.float32)
