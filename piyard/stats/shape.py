"""What a series of samples looks like over its run: whether it drifts, or has two modes.

Both are reasons not to believe its median. Both say nothing (None) below 20 samples.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from piyard.stats import slow
from piyard.stats.dip import dip
from piyard.stats.series import series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from piyard.stats.series import Series

SMALLEST = 0.02
"""As a fraction of the median; what is below moves a figure by less than two runs differ."""
STRETCH = 4
"""Blocks of the run, of its 20, that a level is taken from."""
LEAST = slow.LEAST
LEAST_SHARE = 0.1
"""A mode with fewer of the samples is a tail."""
QUARTILE = 0.6745
"""Of the normal distribution, in standard deviations."""
ENOUGH = 1000
"""Samples that show any mode worth a name; more only take time."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A slow change over the run, between the fifths of it that differ most."""

    before: float
    """Median of the one that came first, in the unit of the samples."""
    after: float
    """Median of the one that came later."""
    size: float
    """after - before, as a fraction of the run's median; above 0 is slower."""

    @property
    def direction(self) -> Literal["slower", "faster"]:
        """Where the times went."""
        return "slower" if self.size > 0 else "faster"


class Modes(msgspec.Struct, frozen=True, kw_only=True):
    """Two levels between which samples jump to and fro."""

    low: float
    """Median of the samples around the faster one, in their unit."""
    high: float
    """Median of those around the slower one."""
    low_share: float
    """Part of the samples that is around the faster one."""
    apart: float
    """high - low, as a fraction of the median of all."""

    @property
    def high_share(self) -> float:
        """Part of the samples that is around the slower one."""
        return 1 - self.low_share


def drift(samples: ArrayLike) -> Drift | None:
    """The slow change of a run, when there is one worth a word.

    That is a trend, a step or a swell such that (1) neighbouring parts of the run are more alike
    than chance makes them (``slow.changes_slowly``), and (2) somewhere a fifth of the run has a
    median that differs from another fifth's by 2 % of the run's median or more. Samples that
    scatter independently are called a drift in at most 0.5 % of runs, be they normal, heavy-tailed
    or in two modes. With noise of 1 %, a change of 4 % that lasts a quarter of the run is found in
    95 % of runs of 100 samples; 20 samples show a trend or a step half way of 6 %. A trend over
    the whole run counts by four fifths of its size, the distance between its outer fifths.
    """
    import numpy as np

    run = series(samples)
    if len(run) < LEAST or not slow.changes_slowly(run):
        return None
    levels = _levels(run)
    before, after = levels[sorted([levels.argmin(), levels.argmax()])].tolist()
    middle = abs(float(np.median(run)))
    if not middle or abs(after - before) < SMALLEST * middle + _blur(run):
        return None
    return Drift(before=before, after=after, size=(after - before) / middle)


def bimodal(samples: ArrayLike) -> Modes | None:
    """The two modes of a run, when it has two that are worth a word.

    That is when (1) no distribution with a single hump fits, by the dip test at 0.5 %, which no
    tail and no outliers upset; (2) each of the two groups that explain most variance (Otsu's cut,
    outer 5 % drawn in) holds a tenth of the samples; (3) their medians are 2 % of the whole median
    apart or more; (4) the samples jump between them: a run that went from one to the other once,
    or slowly, drifts and has no modes. Found in 95 % of runs of 100 samples or more when the
    modes' centres are 5 of their standard deviations apart and the smaller holds a quarter.
    """
    import numpy as np

    run = series(samples)
    if len(run) < LEAST or not _two_humps(run):
        return None
    ordered = np.sort(run)
    count = _cut(ordered)
    low, high = float(np.median(ordered[:count])), float(np.median(ordered[count:]))
    share, middle = count / len(run), abs(float(np.median(run)))
    if min(share, 1 - share) < LEAST_SHARE or not middle or high - low < SMALLEST * middle:
        return None
    if slow.changes_slowly((run >= ordered[count]).astype(np.float64)):
        return None
    return Modes(low=low, high=high, low_share=share, apart=(high - low) / middle)


def _levels(run: Series) -> Series:
    """Medians of every fifth of the run that begins with a block."""
    import numpy as np

    limits = slow.edges(len(run))
    stretches = zip(limits[:-STRETCH], limits[STRETCH:], strict=True)
    return np.array([np.median(run[start:end]) for start, end in stretches])


def _blur(run: Series) -> float:
    """Twice the standard error of the difference of two levels, for normal noise.

    The noise is read from neighbouring samples, which no drift keeps apart.
    """
    import numpy as np

    neighbours = float(np.median(np.abs(np.diff(run))))
    noise = neighbours / (QUARTILE * math.sqrt(2))
    error_of_median = noise * math.sqrt(math.pi / 2 / (len(run) * STRETCH / slow.BLOCKS))
    return 2 * math.sqrt(2) * error_of_median


def _two_humps(run: Series) -> bool:
    import numpy as np

    if len(run) > ENOUGH:
        # At random, as every n-th sample could beat in time with what causes the modes.
        run = np.random.default_rng(0).choice(run, ENOUGH, replace=False)
    root = math.sqrt(len(run))
    return dip(run) > (0.635 - 0.4 / root) / root  # 1 % point for flat samples, simulated


def _cut(ordered: Series) -> int:
    """How many of the sorted samples are in the lower group, at least one and not all."""
    import numpy as np

    drawn_in = np.clip(ordered, *np.quantile(ordered, [0.05, 0.95]))
    below = np.arange(1, len(ordered))
    above = len(ordered) - below
    sums = np.cumsum(drawn_in)
    apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return int(np.argmax(below * above * apart**2)) + 1
