"""Whether a series changes slowly over its run, rather than from sample to sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piyard.stats.series import Series

BLOCKS = 20
LEAST = BLOCKS
"""Shorter series cannot tell slow from fast."""
ALIKE = 0.86
ASIDE = 1.62


def changes_slowly(samples: Series) -> bool:
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

    if len(samples) < LEAST:
        return False
    block = _block_ranks(samples)
    aside = block - block.mean()
    squares = float(aside @ aside)
    if not squares:
        return False
    alike = float((np.diff(block) ** 2).sum()) / squares
    furthest = float(np.abs(np.cumsum(aside)).max()) / squares**0.5
    return alike < ALIKE or furthest > ASIDE


def edges(count: int) -> list[int]:
    """Where the blocks of so many samples begin, and the end of the last."""
    return [block * count // BLOCKS for block in range(BLOCKS + 1)]


def _block_ranks(samples: Series) -> Series:
    import numpy as np
    from scipy.stats import rankdata

    limits = edges(len(samples))
    return np.add.reduceat(rankdata(samples), limits[:-1]) / np.diff(limits)
