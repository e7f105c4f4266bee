"""From how numbers are spread to the largest one that int8 keeps: four ways.

The fifth, ``cosine``, begins with the least squared error (cosine_search.py).

A threshold becomes 127; what is larger is cut to it. A histogram counts absolute values, zeros
left out, as ncnn's own calibration does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import log, pi, sqrt
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.compress.method import Calibration
from piyard.compress.ptq.rounding import LARGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[Any]

BINS = 2048
LEVELS = 128
"""Of int8 without its sign, to which a histogram is brought for the KL divergence."""
COARSE = 16
"""Bins between the first thresholds that are tried; then each one near the best of them."""
PERCENTILE = 0.9999
TINY = 1e-9
"""In place of a probability of zero."""
GAUSSIAN_ALPHA = 3.92403714
"""The best threshold of a normal distribution in 8 bits, in its deviations: table 1 of Banner et
al., Post training 4-bit quantization of convolutional networks (2019)."""
GAUSSIAN_SPREAD = 0.35 * (1 + sqrt(pi * log(4)))
"""Its range by sqrt(2 ln N) deviations, as that paper estimates a deviation from N numbers."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How the numbers of a blob are spread over all pictures."""

    counts: Counts
    """(BINS,): of absolute values from 0 to ``peak``."""
    peak: float
    """The largest absolute value."""
    size: int
    """Numbers of one picture."""


def find_threshold(spread: Spread, calibration: Calibration) -> float:
    """The largest absolute value to keep; that of all zeros is 0."""
    if not spread.peak or not spread.counts.any():
        return 0.0
    return min(spread.peak, _WAYS[calibration](spread))


def _by_divergence(spread: Spread) -> float:
    """The least Kullback-Leibler divergence (S. Migacz, 8-bit inference with TensorRT, 2017)."""
    counts = spread.counts.astype(float)
    near = _least_divergent(counts, range(LEVELS, BINS + 1, COARSE))
    around = range(max(LEVELS, near - COARSE), min(BINS, near + COARSE) + 1)
    return (_least_divergent(counts, around) + 0.5) * spread.peak / BINS


def _least_divergent(counts: Counts, candidates: Iterable[int]) -> int:
    return min(candidates, key=lambda kept: _divergence(counts, kept))


def _divergence(counts: Counts, kept: int) -> float:
    """Of the first bins, with all beyond in the last one, from what LEVELS levels keep of them."""
    import numpy as np

    clipped = counts[:kept].copy()
    clipped[-1] += counts[kept:].sum()
    edges = np.linspace(0, kept, LEVELS + 1)
    used = counts[:kept] > 0
    sums = np.diff(np.interp(edges, np.arange(kept + 1), _running(counts[:kept])))
    spots = np.diff(np.interp(edges, np.arange(kept + 1), _running(used)))
    means = np.divide(sums, spots, out=np.zeros(LEVELS), where=spots > 0)
    width = kept / LEVELS
    spread_out = np.diff(np.interp(np.arange(kept + 1), edges, _running(means * width)))
    return _kl(clipped, np.where(used, spread_out, 0))


def _running(values: Counts) -> Counts:
    import numpy as np

    return np.concatenate([[0.0], np.cumsum(values)])


def _kl(expected: Counts, kept: Counts) -> float:
    import numpy as np

    p = expected / expected.sum()
    q = np.maximum(kept / max(kept.sum(), TINY), TINY)
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())


def _by_gaussian(spread: Spread) -> float:
    """Analytical clipping for a normal distribution (ACIQ)."""
    deviation = spread.peak * GAUSSIAN_SPREAD / sqrt(2 * log(max(spread.size, 2)))
    return GAUSSIAN_ALPHA * deviation


def _by_percentile(spread: Spread) -> float:
    """All but one in ten thousand are kept as they are."""
    import numpy as np

    running = np.cumsum(spread.counts) / spread.counts.sum()
    kept = int(np.searchsorted(running, PERCENTILE)) + 1
    return kept * spread.peak / BINS


def _by_error(spread: Spread) -> float:
    """The least mean squared error of rounding and cutting."""
    import numpy as np

    centres = (np.arange(BINS) + 0.5) * spread.peak / BINS
    thresholds = np.linspace(0.05, 1.0, 96) * spread.peak
    errors = [_squared_error(spread.counts, centres, each) for each in thresholds]
    return float(thresholds[int(np.argmin(errors))])


def _squared_error(counts: Counts, centres: Counts, threshold: float) -> float:
    """Within a step every value is as likely: its square by twelve."""
    import numpy as np

    step = threshold / LARGEST
    beyond = np.maximum(centres - threshold, 0)
    return float((counts * np.where(beyond > 0, beyond**2, step**2 / 12)).sum())


_WAYS: dict[Calibration, Callable[[Spread], float]] = {
    "kl": _by_divergence,
    "aciq": _by_gaussian,
    "percentile": _by_percentile,
    "mse": _by_error,
    "cosine": _by_error,
}
