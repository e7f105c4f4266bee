"""The figures derived from samples; the samples themselves are always kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from piyard.stats import interval
from piyard.stats.series import series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Robust figures of one series, in the unit of its samples."""

    count: int
    min: float
    p10: float
    median: float
    p90: float
    p99: float
    max: float
    mad: float
    """Median absolute deviation from the median, not scaled."""
    low: float
    """Lower end of the 95 % confidence interval of the median; the minimum below 6 samples."""
    high: float
    """Upper end of it; the maximum below 6 samples."""

    @property
    def half_width(self) -> float:
        """Half of the interval's width, as a fraction of the median."""
        width = (self.high - self.low) / 2
        if not self.median:
            return math.inf if width else 0.0
        return width / abs(self.median)


def of(samples: ArrayLike) -> Summary:
    """The figures of samples in any order; raises ``WrongInput`` when there are none.

    Percentiles lie between the two nearest samples in proportion (type 7 of Hyndman and Fan,
    NumPy's usual), so the p99 of fewer than a hundred samples is little but their maximum.
    """
    import numpy as np

    ordered = np.sort(series(samples))
    p10, median, p90, p99 = np.quantile(ordered, [0.1, 0.5, 0.9, 0.99])
    low, high = interval.ends(ordered, interval.ranks(ordered.size))
    return Summary(
        count=ordered.size,
        min=float(ordered[0]),
        p10=float(p10),
        median=float(median),
        p90=float(p90),
        p99=float(p99),
        max=float(ordered[-1]),
        mad=float(np.median(np.abs(ordered - median))),
        low=float(low),
        high=float(high),
    )
