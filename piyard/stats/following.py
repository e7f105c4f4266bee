"""The autocorrelation of a run's samples, and how far it widens an interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piyard.stats.series import Series

MOST = 0.95
"""A run with a higher autocorrelation drifts: no interval says anything about it."""


def widening(run: Series) -> float:
    """How much wider an interval of the middle has to be than if the samples were independent.

    With an autocorrelation of r between neighbours that fades as r, r², r³ … (AR(1)), n samples
    tell as much as n (1 - r) / (1 + r) independent ones. r is taken of ranks, so that a few slow
    outliers do not hide it, and is at least 0: 1.0 is the answer for independent samples.
    """
    r = min(max(0.0, _of_neighbours(run)), MOST)
    return math.sqrt((1 + r) / (1 - r))


def _of_neighbours(run: Series) -> float:
    from scipy.stats import rankdata

    aside = rankdata(run) - (run.size + 1) / 2
    squares = float(aside @ aside)
    return float(aside[1:] @ aside[:-1]) / squares if squares else 0.0
