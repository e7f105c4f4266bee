"""The confidence interval of a median, from the samples' order alone.

nnrun stops a measurement by the same rule (``ranks`` is all of it that is not obvious), so it is
written to be repeated in any language without a library. Let B be binomial(n, 1/2): how many of n
independent samples fall below the true median. The k-th smallest and the k-th largest sample hold
the median between them with probability c(k) = P(k <= B <= n - k), whatever the distribution. As
c jumps from one k to the next, the ends are interpolated after Hettmansperger and Sheather,
"Confidence intervals based on interpolated order statistics", Statistics & Probability Letters 4
(1986): with the largest k that has c(k) >= confidence,

    excess = (c(k) - confidence) / (c(k) - c(k + 1))
    inward = (n - k) excess / (k + (n - 2k) excess)
    low    = x[k] + inward (x[k + 1] - x[k])                  x[1] <= ... <= x[n], sorted
    high   = x[n + 1 - k] - inward (x[n + 1 - k] - x[n - k])

c(k) needs no factorials and cannot underflow where it matters: give the middle term of the
binomial the weight 1, walk outwards by w(j - 1) = w(j) j / (n - j + 1), and divide by their sum.
Terms far out vanish, so both walks end after a few times the square root of n.

Below ``LEAST`` = 6 samples not even smallest and largest hold the median in 95 of 100 cases. The
interval then is the range, which holds it in 1 - 2^(1-n): 0, 50, 75, 87.5 and 93.75 % for n = 1 to
5. Whoever decides by the interval asks for LEAST samples first.

Two things make it hold the median less often than it says (benchmarks/stats_coverage.py). A run
that ends as soon as its interval is narrow, as nnrun's do, has picked one that is narrow by chance:
91 to 94 %. Samples that follow each other count for fewer: where each shares a third with the one
before, 87 %.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from piyard.stats.series import series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from piyard.stats.series import Series

CONFIDENCE = 0.95
LEAST = 6
"""Fewer samples have no 95 % interval."""
NOTHING = 1e-18
"""A term this small beside the middle one changes no double."""


class Ranks(msgspec.Struct, frozen=True, kw_only=True):
    """Which order statistics bound a median."""

    outer: int
    """The interval reaches at most from the outer-th smallest sample to the outer-th largest."""
    inward: float
    """How far each end moves towards the next sample inside, from 0 to 1."""


def median_interval(samples: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Ends of the interval that holds the true median with this confidence, in the samples' unit.

    For independent samples of any one distribution. Raises ``WrongInput`` without samples.
    """
    import numpy as np

    ordered = np.sort(series(samples))
    low, high = ends(ordered, ranks(ordered.size, confidence))
    return float(low), float(high)


def ends(ordered: Series, at: Ranks) -> tuple[Series, Series]:
    """Both ends for samples that are sorted along the last axis."""
    if ordered.shape[-1] == 1:
        return ordered[..., 0], ordered[..., 0]
    k = at.outer
    smallest, largest = ordered[..., k - 1], ordered[..., -k]
    low = smallest + at.inward * (ordered[..., k] - smallest)
    high = largest - at.inward * (largest - ordered[..., -k - 1])
    return low, high


@functools.lru_cache(maxsize=4096)
def ranks(count: int, confidence: float = CONFIDENCE) -> Ranks:
    """The order statistics that bound the median of so many samples (see the module's text)."""
    if count < 1 or not 0.5 <= confidence < 1:
        raise ValueError(f"no interval of {count} samples with confidence {confidence}")
    total = sum(mass for _, mass in _outwards(count))
    held = 0.0
    for k, mass in _outwards(count):
        inner, held = held, held + mass / total
        if k and held >= confidence:
            excess = (held - confidence) / (held - inner)
            return Ranks(outer=k, inward=(count - k) * excess / (k + (count - 2 * k) * excess))
    return Ranks(outer=1, inward=0.0)


def _outwards(count: int) -> Iterator[tuple[int, float]]:
    """From the middle: k, and how likely B is k or n - k, the middle term being 1."""
    weight = 1.0
    for k in range(count // 2, -1, -1):
        yield k, weight if 2 * k == count else 2 * weight
        weight *= k / (count - k + 1)
        if weight < NOTHING:
            return
