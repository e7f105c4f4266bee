"""Whether two builds differ: by the samples of one run each, or by several runs of each in turns.

Samples of one run share what the run was given: where its pages came to lie, the order of its
buffers, the temperature it began with. More of them say more of that run and nothing of the next,
which is why experiments are to be repeated at the highest level that varies (Kalibera and Jones,
'Rigorous benchmarking in reasonable time', ISMM 2013). So in A-B-B-A each run counts once, by its
median.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from piyard.core.errors import WrongInput
from piyard.results import summary
from piyard.results.summary import to_series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from piyard.results.summary import Summary
    from piyard.vision.schema import Doubles


MAX_AUTOCORRELATION = 0.95
"""A run with a higher autocorrelation drifts: no interval says anything about it."""


def ar1_inflation(run: Doubles) -> float:
    """How much wider an interval of the middle has to be than if the samples were independent.

    With an autocorrelation of r between neighbours that fades as r, r², r³ … (AR(1)), n samples
    tell as much as n (1 - r) / (1 + r) independent ones. r is taken of ranks, so that a few slow
    outliers do not hide it, and is at least 0: 1.0 is the answer for independent samples.
    """
    r = min(max(0.0, _autocorrelation(run)), MAX_AUTOCORRELATION)
    return math.sqrt((1 + r) / (1 - r))


def _autocorrelation(run: Doubles) -> float:
    from scipy.stats import rankdata

    aside = rankdata(run) - (run.size + 1) / 2
    squares = float(aside @ aside)
    return float(aside[1:] @ aside[:-1]) / squares if squares else 0.0


Direction = Literal["faster", "slower", "not significant"]

SAMPLES_P = 0.001
"""The p value above which the samples of two runs show nothing."""
SAMPLES_SMALLEST = 0.025
"""The effect below which two runs of one build may differ (see ``compare``)."""

MIN_RUN_SAMPLES = 7
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
    verdict: Direction
    why: str
    """What decided, for people: one clause."""


def compare_samples(a: ArrayLike, b: ArrayLike) -> Comparison:
    """Compare one run of each, by their samples in ms.

    The effect is the ratio of the medians; its interval joins the medians' own (order statistics)
    by Zou and Donner's MOVER ("Construction of confidence intervals about effect measures",
    Statistics in Medicine 27, 2008) on logarithms, so that swapping a and b turns it round, and is
    wider where a run's samples follow each other (``ar1_inflation``). b is called faster or
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

    of_a, of_b = positive_times(a), positive_times(b)
    test = mannwhitneyu(of_b, of_a)
    return decide(
        _median_ratio(of_a, of_b),
        fewest=min(of_a.size, of_b.size),
        u=float(test.statistic),
        p=float(test.pvalue),
        sure=SAMPLES_P,
        smallest=SAMPLES_SMALLEST,
    )


class MedianRatio(msgspec.Struct, frozen=True, kw_only=True):
    """How two medians stand to each other; the last three are natural logarithms of b / a."""

    median_a: float
    median_b: float
    middle: float
    low: float
    high: float


def decide(
    ratio: MedianRatio, *, fewest: int, u: float, p: float, sure: float, smallest: float
) -> Comparison:
    """What the figures come to: significant when p, the interval and the effect's size say so.

    ``fewest`` are the samples of the run that has the fewest.
    """
    doubt = _too_few(fewest) or _why_not_significant(ratio, p, sure, smallest)
    changed: Direction = "slower" if ratio.middle > 0 else "faster"
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


def positive_times(samples: ArrayLike) -> Doubles:
    """Samples that can be set in relation; raises ``WrongInput`` for others."""
    run = to_series(samples)
    if run.min() <= 0:
        raise WrongInput(
            f"a time of {run.min():g} ms cannot be compared",
            remedy="the clock is too coarse for this network: measure again with more loops",
        )
    return run


def _median_ratio(of_a: Doubles, of_b: Doubles) -> MedianRatio:
    a, b = summary.summarize(of_a), summary.summarize(of_b)
    wide_a, wide_b = ar1_inflation(of_a), ar1_inflation(of_b)
    middle = math.log(b.median / a.median)
    down = math.hypot(wide_b * math.log(b.median / b.low), wide_a * math.log(a.high / a.median))
    up = math.hypot(wide_b * math.log(b.high / b.median), wide_a * math.log(a.median / a.low))
    return MedianRatio(
        median_a=a.median, median_b=b.median, middle=middle, low=middle - down, high=middle + up
    )


def _too_few(samples: int) -> str:
    if samples >= MIN_RUN_SAMPLES:
        return ""
    return f"a run of {samples} samples shows too little, at least {MIN_RUN_SAMPLES} are needed"


def _why_not_significant(ratio: MedianRatio, p: float, sure: float, smallest: float) -> str:
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


RUNS_P = 0.005
RUNS_SMALLEST = 0.01
"""Runs taken in turns cancel much of what makes two single runs differ by 2.5 %."""
EXPECTED_SPREAD = 0.005
"""Standard deviation of the medians of equal runs, as a fraction: the prior assumption."""
SPREAD_FREEDOM = 2
"""Degrees of freedom that this assumption counts for, beside those of the runs."""
STUDENT_QUANTILE = 0.975
"""Upper end of a 95 % interval."""
INTERVAL_DEVIATIONS = 1.96
"""Half the width of a 95 % interval, in standard deviations of a normal estimate."""


def compare_runs(pairs: Sequence[tuple[ArrayLike, ArrayLike]]) -> Comparison:
    """Compare builds a and b by the samples (ms) of their runs, paired as they were made.

    Take A-B-B-A as (A1, B1), (A2, B2): both sides then have the same mean place in time, and what
    changes evenly on the board is in neither's favour. The effect is the ratio of the geometric
    means of the runs' medians. Its interval and p are Student's on their logarithms with pooled
    variance, moderated after Smyth ("Linear models and empirical Bayes methods", Statistical
    Applications in Genetics and Molecular Biology 3, 2004): two runs a side show their own spread
    too badly, so it is averaged with an expected one, 0.5 % and what the samples' scatter adds,
    which is worth 2 degrees of freedom. A board whose runs differ by more thus widens the
    interval. b is called faster or slower when each run has 7 samples, p < 0.005, and the effect
    is farther from 0 than its interval reaches and 1 %, joined as the root of their squares.
    Raises ``WrongInput`` without pairs and as ``compare`` does.
    """
    import numpy as np
    from scipy.stats import mannwhitneyu
    from scipy.stats import t as student

    if not pairs:
        raise WrongInput("no runs to compare")
    sides = [
        [summary.summarize(positive_times(run)) for run in side]
        for side in zip(*pairs, strict=True)
    ]
    summaries = [*itertools.chain(*sides)]
    a, b = (np.log([run.median for run in side]) for side in sides)
    error, freedom = _standard_error(a, b, _expected_variance(summaries))
    effect = _ratio_of_logs(a, b, reach=error * float(student.ppf(STUDENT_QUANTILE, freedom)))
    return decide(
        effect,
        fewest=min(run.count for run in summaries),
        u=float(mannwhitneyu(b, a).statistic),
        p=2 * float(student.sf(abs(effect.middle) / error, freedom)),
        sure=RUNS_P,
        smallest=RUNS_SMALLEST,
    )


def _ratio_of_logs(a: Doubles, b: Doubles, reach: float) -> MedianRatio:
    """Of logarithms of medians, with an interval that reaches so far to both sides."""
    middle = float(b.mean() - a.mean())
    return MedianRatio(
        median_a=math.exp(a.mean()),
        median_b=math.exp(b.mean()),
        middle=middle,
        low=middle - reach,
        high=middle + reach,
    )


def _standard_error(a: Doubles, b: Doubles, expected: float) -> tuple[float, int]:
    """The standard error of b's mean less a's, and its degrees of freedom."""
    squares = float(((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum())
    freedom = SPREAD_FREEDOM + a.size + b.size - 2
    variance = (SPREAD_FREEDOM * expected + squares) / freedom
    return math.sqrt(variance * (1 / a.size + 1 / b.size)), freedom


def _expected_variance(runs: Iterable[Summary]) -> float:
    """The variance of log medians that equal runs with samples like these are thought to have."""
    deviations = [math.log(run.high / run.low) / 2 / INTERVAL_DEVIATIONS for run in runs]
    return EXPECTED_SPREAD**2 + statistics.fmean(deviation**2 for deviation in deviations)
