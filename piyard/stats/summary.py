"""The figures derived from samples; the samples themselves are always kept."""

from __future__ import annotations

import msgspec


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
    """Lower end of the 95 % confidence interval of the median."""
    high: float
    """Upper end of it."""

    @property
    def half_width(self) -> float:
        """Half of the interval's width, as a fraction of the median."""
        return (self.high - self.low) / 2 / self.median
