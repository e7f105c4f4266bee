"""Whether a run's samples drift, or jump between two levels.

Both are reasons not to trust its median. Both tests answer None below 20 samples.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from piyard.results.summary import to_series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from piyard.vision.schema import Doubles


BLOCKS = 20
MIN_TREND_SAMPLES = BLOCKS
"""Shorter series cannot tell slow from fast."""
VON_NEUMANN_LIMIT = 0.86
PETTITT_LIMIT = 1.62


def changes_slowly(samples: Doubles) -> bool:
    """Whether neighbouring parts of the run are more alike than chance makes them.

    The run is cut into 20 blocks, each represented by the mean rank of its samples: ranks, as a few
    slow outliers must not decide for a block; blocks, as samples that follow each other closely are
    often alike (a background task, a cache) in runs that change in no way that matters. Two
    classic statistics look at those twenty figures; each is compared with its 0.25 % point for
    independent samples (simulated, benchmarks/stats_coverage.py checks them), so that together
    they raise a false alarm in 0.5 % of runs at most, whatever the samples' distribution:

    * von Neumann's ratio (von Neumann 1941; on ranks Bartels 1982), the mean squared difference
      of neighbours against the variance: 2 by chance, near 0 for anything slow, with or without
      return;
    * the largest cumulative sum of deviations (Pettitt 1979), against their root sum of squares:
      strong for one step or one trend in few samples.
    """
    import numpy as np

    if len(samples) < MIN_TREND_SAMPLES:
        return False
    block = _block_ranks(samples)
    aside = block - block.mean()
    squares = float(aside @ aside)
    if not squares:
        return False
    alike = float((np.diff(block) ** 2).sum()) / squares
    furthest = float(np.abs(np.cumsum(aside)).max()) / squares**0.5
    return alike < VON_NEUMANN_LIMIT or furthest > PETTITT_LIMIT


def block_edges(count: int) -> list[int]:
    """Where the blocks of so many samples begin, and the end of the last."""
    return [block * count // BLOCKS for block in range(BLOCKS + 1)]


def _block_ranks(samples: Doubles) -> Doubles:
    import numpy as np
    from scipy.stats import rankdata

    limits = block_edges(len(samples))
    return np.add.reduceat(rankdata(samples), limits[:-1]) / np.diff(limits)


SMALLEST_SHIFT = 0.02
"""As a fraction of the median; what is below moves a figure by less than two runs differ."""
LEVEL_BLOCKS = 4
"""Blocks of the run, of its 20, that a level is taken from."""
MIN_MODE_SHARE = 0.1
"""A mode with fewer of the samples is a tail."""
NORMAL_QUARTILE = 0.6745
"""Of the normal distribution, in standard deviations."""
VALLEY_P = 0.02
"""The p value below which a valley between two modes is one."""


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


def find_drift(samples: ArrayLike) -> Drift | None:
    """The slow change of a run, when it is large enough to matter.

    That is a trend, a step or a swell such that (1) neighbouring parts of the run are more alike
    than chance makes them (``changes_slowly``), and (2) somewhere a fifth of the run has a
    median that differs from another fifth's by 2 % of the run's median or more, even after
    taking off what noise adds (two standard errors). Samples that scatter independently are
    called a drift in at most 0.5 % of runs, be they normal, heavy-tailed or in two modes, and a
    change of 1.5 % in hardly more. With noise of 1 %, a change of 6 % is found in 95 % of runs of
    50 samples; of 20 samples, a trend, a swell or a step half way of 6 % in 9 of 10, but a late
    step in 3 of 10 only (benchmarks/stats_coverage.py). What lasts less than a fifth of the run may
    be missed. A trend over the whole run counts by four fifths of its size, the distance between
    its outer fifths.
    """
    import numpy as np

    run = to_series(samples)
    if len(run) < MIN_TREND_SAMPLES or not changes_slowly(run):
        return None
    levels = _stretch_medians(run)
    before, after = levels[sorted([levels.argmin(), levels.argmax()])].tolist()
    middle = abs(float(np.median(run)))
    if not middle or abs(after - before) < SMALLEST_SHIFT * middle + _level_noise(run):
        return None
    return Drift(before=before, after=after, size=(after - before) / middle)


def find_modes(samples: ArrayLike) -> Modes | None:
    """The two modes of a run, when it has two that matter.

    The samples are cut in two groups so that they explain most variance (Otsu's cut, with the
    outer 5 % drawn in, so that outliers form no group); the groups' medians are the modes. They
    count when (1) each group holds a tenth of the samples; (2) the modes are 2 % of the whole
    median apart or more; (3) there is a valley: the middle third of the way between them holds
    fewer samples than a stretch as long around either mode. With a single hump, wherever it is,
    the middle is at least as crowded as one of the two, so a sign test on the two counts says how
    surprising the valley is (p < 0.02); (4) the samples jump between them: a run that went from
    one to the other once, or slowly, drifts and has no modes.

    Single humps are called modes in at most 1 % of runs, however heavy their tails; the flat one
    is the hardest. Two modes are found in 95 % of runs of 100 samples when they are 10 of their
    standard deviations apart and the smaller holds a fifth; in 9 of 10 when they are 6 apart and it
    holds a quarter, or 5 apart and 0.4; of 30 samples, in 95 % when 10 apart and 0.4.
    """
    import numpy as np

    run = to_series(samples)
    ordered = np.sort(run)
    count = _otsu_cut(ordered) if len(run) >= MIN_TREND_SAMPLES else 0
    share, middle = count / len(run), abs(float(np.median(run)))
    if min(share, 1 - share) < MIN_MODE_SHARE or not middle:
        return None
    low, high = float(np.median(ordered[:count])), float(np.median(ordered[count:]))
    if high - low < SMALLEST_SHIFT * middle or not _has_valley(ordered, low, high):
        return None
    if changes_slowly((run >= ordered[count]).astype(np.float64)):
        return None
    return Modes(low=low, high=high, low_share=share, apart=(high - low) / middle)


def _stretch_medians(run: Doubles) -> Doubles:
    """Medians of every fifth of the run that begins with a block."""
    import numpy as np

    limits = block_edges(len(run))
    stretches = zip(limits[:-LEVEL_BLOCKS], limits[LEVEL_BLOCKS:], strict=True)
    return np.array([np.median(run[start:end]) for start, end in stretches])


def _level_noise(run: Doubles) -> float:
    """Twice the standard error of the difference of two levels, for normal noise.

    The noise is read from neighbouring samples, which no drift keeps apart.
    """
    import numpy as np

    neighbours = float(np.median(np.abs(np.diff(run))))
    noise = neighbours / (NORMAL_QUARTILE * math.sqrt(2))
    error_of_median = noise * math.sqrt(math.pi / 2 / (len(run) * LEVEL_BLOCKS / BLOCKS))
    return 2 * math.sqrt(2) * error_of_median


def _has_valley(ordered: Doubles, low: float, high: float) -> bool:
    """Whether the middle between two places is emptier than both, beyond chance."""
    import numpy as np
    from scipy.special import bdtr

    reach = (high - low) / 6
    centres = np.array([low, (low + high) / 2, high])
    ends = np.searchsorted(ordered, [centres - reach, centres + reach])
    around_low, between, around_high = (ends[1] - ends[0]).tolist()
    fewer = min(around_low, around_high)
    return fewer > 0 and bool(bdtr(between, between + fewer, 0.5) < VALLEY_P)


def _otsu_cut(ordered: Doubles) -> int:
    """How many of the sorted samples are in the lower group, at least one and not all."""
    import numpy as np

    drawn_in = np.clip(ordered, *np.quantile(ordered, [0.05, 0.95]))
    below = np.arange(1, len(ordered))
    above = len(ordered) - below
    sums = np.cumsum(drawn_in)
    apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return int(np.argmax(below * above * apart**2)) + 1
