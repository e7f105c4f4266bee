"""Times of made-up runs whose truth is known: noises, slow changes, and runs that differ a little.

Times are about 20 ms, with noise of 1 % unless said otherwise, in arrays whose last axis is a run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Times = NDArray[np.float64]
    Noise = Callable[[Generator, tuple[int, ...]], Times]
    Course = Callable[[Times], NDArray[Any]]

LEVEL_MS = 20.0
NOISE = 0.01
MINOR = 0.4
"""Part of the samples in the slower mode. At one half, any place between the modes is a median."""
APART = 10.0
"""Distance of the modes in standard deviations of either."""
OUTLIERS, LATE = 0.05, 50.0
"""Part of the samples that take longer, and by how many standard deviations on average."""
RUN_IN = 100
"""Samples until a series has forgotten how it began."""


def modes(rng: Generator, size: tuple[int, ...]) -> Times:
    """Normal noise around 0 or, at random, around ``APART``."""
    return rng.standard_normal(size) + APART * (rng.random(size) < MINOR)


def outliers(rng: Generator, size: tuple[int, ...]) -> Times:
    """Normal noise in which one sample of twenty takes much longer."""
    return rng.standard_normal(size) + rng.exponential(LATE, size) * (rng.random(size) < OUTLIERS)


def following(part: float) -> Noise:
    """Normal noise of which each sample keeps a part of the one before: AR(1), variance 1."""

    def noise(rng: Generator, size: tuple[int, ...]) -> Times:
        from scipy.signal import lfilter

        fresh = rng.standard_normal((*size[:-1], size[-1] + RUN_IN))
        kept = lfilter([np.sqrt(1 - part**2)], [1, -part], fresh, axis=-1)
        return np.asarray(kept[..., RUN_IN:])

    return noise


INDEPENDENT: dict[str, Noise] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "lognormal": lambda rng, size: rng.lognormal(0, 1, size) - 1,
    "Student t3": lambda rng, size: rng.standard_t(3, size),
    "outliers": outliers,
    "two modes": modes,
}
ALIKE: dict[str, Noise] = {"a third kept": following(1 / 3), "0.7 kept": following(0.7)}
"""Samples that follow each other, as those of a real run do."""
NOISES = INDEPENDENT | ALIKE
CLEAN = ("normal", "lognormal", "Student t3", "outliers")

COURSES: dict[str, Course] = {
    "trend": lambda at: at,
    "step half way": lambda at: 1.0 * (at >= 0.5),
    "step at three quarters": lambda at: 1.0 * (at >= 0.75),
    "swell and back": lambda at: np.sin(np.pi * at) ** 2,
    "settling": lambda at: np.exp(-4 * at),
}
"""Slow changes over the run, from 0 to 1, by the place in the run, from 0 to 1."""


def times(name: str, rng: Generator, *size: int, noise: float = NOISE) -> Times:
    """Samples with that noise, in ms; no inference takes less than half its time."""
    return np.asarray(LEVEL_MS * np.maximum(1 + noise * NOISES[name](rng, size), 0.5))


def true_median(name: str, noise: float = NOISE) -> float:
    """Of an endless series of ``times``."""
    return LEVEL_MS * (1 + noise * _middle(name))


def _middle(name: str) -> float:
    from scipy.optimize import brentq
    from scipy.stats import exponnorm, norm

    if name == "two modes":
        return float(norm.ppf(0.5 / (1 - MINOR)))
    if name != "outliers":
        return 0.0

    def above_half(at: float) -> float:
        late = exponnorm.cdf(at, LATE)
        return float((1 - OUTLIERS) * norm.cdf(at) + OUTLIERS * late - 0.5)

    return float(brentq(above_half, 0, 1))


def drifting(course: str, change: float, rng: Generator, *size: int, name: str = "normal") -> Times:
    """Samples that get slower by that fraction, and perhaps faster again."""
    return times(name, rng, *size) * (1 + change * COURSES[course](np.linspace(0, 1, size[-1])))


def apart(distance: float, minor: float, rng: Generator, *size: int) -> Times:
    """Samples in two modes, so many of their standard deviations apart."""
    noise = rng.standard_normal(size) + distance * (rng.random(size) < minor)
    return np.asarray(LEVEL_MS * (1 + NOISE * noise))


def with_offsets(series: Times, spread: float, rng: Generator) -> Times:
    """Each run as much slower or faster as runs of one build differ."""
    return np.asarray(series * (1 + spread * rng.standard_normal((*series.shape[:-1], 1))))
