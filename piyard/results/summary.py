"""The figures of a series of samples, and the confidence interval of its median.

The interval follows from the samples' order alone. nnrun stops a measurement by the same rule
(``ranks`` is all of it that is not obvious), so it is
written to be repeated in any language without a library. Let B be binomial(n, 1/2): how many of n
independent samples fall below the true median. The k-th smallest and the k-th largest sample hold
the median between them with probability c(k) = P(k <= B <= n - k), whatever the distribution. As
c jumps from one k to the next, the ends are interpolated after Hettmansperger and Sheather,
'Confidence intervals based on interpolated order statistics', Statistics & Probability Letters 4
(1986): with the largest k that has c(k) >= confidence,

    excess = (c(k) - confidence) / (c(k) - c(k + 1))
    inward = (n - k) excess / (k + (n - 2k) excess)
    low    = x[k] + inward (x[k + 1] - x[k])                  x[1] <= ... <= x[n], sorted
    high   = x[n + 1 - k] - inward (x[n + 1 - k] - x[n - k])

c(k) needs no factorials and cannot underflow where it matters: give the middle term of the
binomial the weight 1, walk outwards by w(j - 1) = w(j) j / (n - j + 1), and divide by their sum.
Terms far out vanish, so both walks end after a few times the square root of n.

Below ``MIN_SAMPLES`` = 6 samples not even smallest and largest hold the median in 95 of 100 cases.
The interval then is the range, which holds it in 1 - 2^(1-n): 0, 50, 75, 87.5 and 93.75 % for n = 1
to 5. Whoever decides by the interval asks for MIN_SAMPLES samples first.

Two things make it hold the median less often than it says (benchmarks/stats_coverage.py). A run
that ends as soon as its interval is narrow, as nnrun's do, has picked one that is narrow by chance:
91 to 94 %. Samples that are correlated with their neighbours count for fewer: at an autocorrelation
of a third, 87 %.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from piyard.core.errors import WrongInput

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from piyard.vision.schema import Doubles


def to_series(samples: ArrayLike) -> Doubles:
    """The samples in their order, float64; raises ``WrongInput`` without finite ones."""
    import numpy as np

    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise WrongInput("no samples, so no statistics of them")
    if not np.isfinite(values).all():
        raise WrongInput("a sample is not a finite number")
    return values


CONFIDENCE = 0.95
MIN_SAMPLES = 6
"""Fewer samples have no 95 % interval."""
NEGLIGIBLE_TERM = 1e-18
"""A term this small beside the middle one changes no double."""


class IntervalRanks(msgspec.Struct, frozen=True, kw_only=True):
    """Which order statistics bound a median."""

    outer: int
    """The interval reaches at most from the outer-th smallest sample to the outer-th largest."""
    inward: float
    """How far each end moves towards the next sample inside, from 0 to 1."""


def interval_ends(ordered: Doubles, at: IntervalRanks) -> tuple[Doubles, Doubles]:
    """Both ends for samples that are sorted along the last axis."""
    if ordered.shape[-1] == 1:
        return ordered[..., 0], ordered[..., 0]
    k = at.outer
    smallest, largest = ordered[..., k - 1], ordered[..., -k]
    low = smallest + at.inward * (ordered[..., k] - smallest)
    high = largest - at.inward * (largest - ordered[..., -k - 1])
    return low, high


@functools.lru_cache(maxsize=4096)
def ranks(count: int, confidence: float = CONFIDENCE) -> IntervalRanks:
    """The order statistics that bound the median of so many samples (see the module's text)."""
    if count < 1 or not 0.5 <= confidence < 1:
        raise ValueError(f"no interval of {count} samples with confidence {confidence}")
    total = sum(mass for _, mass in _outwards(count))
    held = 0.0
    for k, mass in _outwards(count):
        inner, held = held, held + mass / total
        if k and held >= confidence:
            excess = (held - confidence) / (held - inner)
            return IntervalRanks(
                outer=k, inward=(count - k) * excess / (k + (count - 2 * k) * excess)
            )
    return IntervalRanks(outer=1, inward=0.0)


def _outwards(count: int) -> Iterator[tuple[int, float]]:
    """From the middle: k, and how likely B is k or n - k, the middle term being 1."""
    weight = 1.0
    for k in range(count // 2, -1, -1):
        yield k, weight if 2 * k == count else 2 * weight
        weight *= k / (count - k + 1)
        if weight < NEGLIGIBLE_TERM:
            return


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


def summarize(samples: ArrayLike) -> Summary:
    """The figures of samples in any order; raises ``WrongInput`` when there are none.

    Percentiles lie between the two nearest samples in proportion (type 7 of Hyndman and Fan,
    NumPy's usual), so the p99 of fewer than a hundred samples is little but their maximum.
    """
    import numpy as np

    ordered = np.sort(to_series(samples))
    p10, median, p90, p99 = np.quantile(ordered, [0.1, 0.5, 0.9, 0.99])
    low, high = interval_ends(ordered, ranks(ordered.size))
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


def interval_width(summary: Summary) -> float | None:
    """The interval's half width as a fraction; None where there is no 95 % interval."""
    ends = (summary.low, summary.high, summary.median)
    if summary.count < MIN_SAMPLES or not all(map(math.isfinite, ends)) or not summary.median:
        return None
    return summary.half_width
