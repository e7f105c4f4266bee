"""Whether two builds differ: by the samples of one run each, or by several runs of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from piyard.errors import WrongInput
from piyard.stats import summary
from piyard.stats.following import widening
from piyard.stats.series import series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from piyard.stats.series import Series

Change = Literal["faster", "slower", "not significant"]

SURE = 0.001
"""The p value above which the samples of two runs show nothing."""
SMALLEST = 0.025
"""The effect below which two runs of one build may differ (see ``compare``)."""

FEWEST = 7
"""Samples of a run that shows anything."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How times of b stand to times of a; both in ms."""

    median_a: float
    median_b: float
    effect: float
    """median_b / median_a - 1: above 0, b is slower."""
    low: float
    """Lower end of the 95 % confidence interval of the effect."""
    high: float
    """Upper end of it."""
    u: float
    """Mann-Whitney's U: in how many pairs of a figure of each b's is the longer, a tie half."""
    p: float
    """How often two equal builds would differ so much, of the test that decided."""
    verdict: Change
    why: str
    """What decided, for people: one clause."""


def compare(a: ArrayLike, b: ArrayLike) -> Comparison:
    """Compare one run of each, by their samples in ms.

    The effect is the ratio of the medians; its interval joins the medians' own (order statistics)
    by Zou and Donner's MOVER ("Construction of confidence intervals about effect measures",
    Statistics in Medicine 27, 2008) on logarithms, so that swapping a and b turns it round, and is
    wider where a run's samples follow each other (``following.widening``). b is called faster or
    slower only when all three hold:

    * Each side has 7 samples: 6 have an interval, but six against six no p below 0.001.
    * Mann-Whitney's test says p < 0.001. At 0.05, every twentieth comparison of equal builds
      would be an alarm; samples that follow each other make any p too small, too.
    * The effect is farther from 0 than its interval reaches and 2.5 %, joined as the root of their
      squares. Two runs of one program differ by a constant that no number of samples averages out:
      where its pages came to lie, the order of its buffers, the board's temperature. Nothing in two
      runs tells how large that is; where it deviates by 0.5 % (an assumption), the difference
      passes 2.5 % in about 1 of 1,000 comparisons, and a true 5 % falls below it as rarely.
      ``compare_runs`` measures it.

    Raises ``WrongInput`` without samples, and for times that are not above 0, which have no ratio.
    """
    from scipy.stats import mannwhitneyu

    of_a, of_b = times(a), times(b)
    test = mannwhitneyu(of_b, of_a)
    return judged(
        _ratio(of_a, of_b),
        fewest=min(of_a.size, of_b.size),
        u=float(test.statistic),
        p=float(test.pvalue),
        sure=SURE,
        smallest=SMALLEST,
    )


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """How two medians stand to each other; the last three are natural logarithms of b / a."""

    median_a: float
    median_b: float
    middle: float
    low: float
    high: float


def judged(
    ratio: Ratio, *, fewest: int, u: float, p: float, sure: float, smallest: float
) -> Comparison:
    """What the figures come to: significant when p, the interval and the effect's size say so.

    ``fewest`` are the samples of the run that has the fewest.
    """
    doubt = _too_few(fewest) or _doubt(ratio, p, sure, smallest)
    changed: Change = "slower" if ratio.middle > 0 else "faster"
    return Comparison(
        median_a=ratio.median_a,
        median_b=ratio.median_b,
        effect=math.expm1(ratio.middle),
        low=math.expm1(ratio.low),
        high=math.expm1(ratio.high),
        u=u,
        p=p,
        verdict="not significant" if doubt else changed,
        why=doubt or f"p = {p:.1g}",
    )


def times(samples: ArrayLike) -> Series:
    """Samples that can be set in relation; raises ``WrongInput`` for others."""
    run = series(samples)
    if run.min() <= 0:
        raise WrongInput(
            f"a time of {run.min():g} ms cannot be compared",
            remedy="the clock is too coarse for this network: measure again with more loops",
        )
    return run


def _ratio(of_a: Series, of_b: Series) -> Ratio:
    a, b = summary.of(of_a), summary.of(of_b)
    wide_a, wide_b = widening(of_a), widening(of_b)
    middle = math.log(b.median / a.median)
    down = math.hypot(wide_b * math.log(b.median / b.low), wide_a * math.log(a.high / a.median))
    up = math.hypot(wide_b * math.log(b.high / b.median), wide_a * math.log(a.median / a.low))
    return Ratio(
        median_a=a.median, median_b=b.median, middle=middle, low=middle - down, high=middle + up
    )


def _too_few(samples: int) -> str:
    if samples >= FEWEST:
        return ""
    return f"a run of {samples} samples shows too little, at least {FEWEST} are needed"


def _doubt(ratio: Ratio, p: float, sure: float, smallest: float) -> str:
    """What speaks against a change; nothing when it is sure."""
    if p >= sure:
        return f"p = {p:.2g}, where a change has less than {sure:g}"
    nearer = ratio.low if ratio.middle > 0 else ratio.high
    reach = abs(ratio.middle - nearer)
    if abs(ratio.middle) <= reach:
        return "the interval of the effect holds 0"
    if abs(ratio.middle) < math.hypot(reach, math.log1p(smallest)):
        return f"hardly more than the {100 * smallest:g} % that equal builds may differ by"
    return ""
