"""The interval of a median by itself, as ``summarize`` has it among other figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from piyard.results.summary import CONFIDENCE, interval_ends, ranks, to_series


def median_interval(samples: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Ends of the interval that holds the true median with this confidence, in the samples' unit.

    For independent samples of any one distribution. Raises ``WrongInput`` without samples.
    """
    ordered = np.sort(to_series(samples))
    low, high = interval_ends(ordered, ranks(ordered.size, confidence))
    return float(low), float(high)
