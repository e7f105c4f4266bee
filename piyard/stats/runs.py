"""Whether two builds differ, by several runs of each in turns (A-B-B-A): the run is the evidence.

Samples of one run share what the run was given: where its pages came to lie, the order of its
buffers, the temperature it began with. More of them say more of that run and nothing of the next,
which is why experiments are to be repeated at the highest level that varies (Kalibera and Jones,
"Rigorous benchmarking in reasonable time", ISMM 2013). So each run counts once, by its median.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from piyard.errors import WrongInput
from piyard.stats import summary
from piyard.stats.compare import Comparison, Ratio, judged, times

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from piyard.stats.series import Series
    from piyard.stats.summary import Summary

SURE = 0.005
SMALLEST = 0.01
"""Runs taken in turns cancel much of what makes two single runs differ by 2.5 %."""
SPREAD = 0.005
"""Standard deviation of the medians of equal runs, as a fraction: the prior assumption."""
WORTH = 2
"""Degrees of freedom that this assumption counts for, beside those of the runs."""
QUANTILE = 0.975
"""Upper end of a 95 % interval."""
IN_DEVIATIONS = 1.96
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
    sides = [[summary.of(times(run)) for run in side] for side in zip(*pairs, strict=True)]
    summaries = [*itertools.chain(*sides)]
    a, b = (np.log([run.median for run in side]) for side in sides)
    error, freedom = _error(a, b, _expected(summaries))
    middle, reach = float(b.mean() - a.mean()), error * float(student.ppf(QUANTILE, freedom))
    return judged(
        Ratio(
            median_a=math.exp(a.mean()),
            median_b=math.exp(b.mean()),
            middle=middle,
            low=middle - reach,
            high=middle + reach,
        ),
        fewest=min(run.count for run in summaries),
        u=float(mannwhitneyu(b, a).statistic),
        p=2 * float(student.sf(abs(middle) / error, freedom)),
        sure=SURE,
        smallest=SMALLEST,
    )


def _error(a: Series, b: Series, expected: float) -> tuple[float, int]:
    """The standard error of b's mean less a's, and its degrees of freedom."""
    squares = float(((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum())
    freedom = WORTH + a.size + b.size - 2
    variance = (WORTH * expected + squares) / freedom
    return math.sqrt(variance * (1 / a.size + 1 / b.size)), freedom


def _expected(runs: Iterable[Summary]) -> float:
    """The variance of log medians that equal runs with samples like these are thought to have."""
    deviations = [math.log(run.high / run.low) / 2 / IN_DEVIATIONS for run in runs]
    return SPREAD**2 + statistics.fmean(deviation**2 for deviation in deviations)
