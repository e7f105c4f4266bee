"""The interval of a median holds the true one as often as it says, whatever the samples' shape."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import stats_coverage
from benchmarks.made_times import INDEPENDENT
from piyard.core.errors import WrongInput
from piyard.results.summary import MIN_SAMPLES, interval_ends, ranks
from tests.support.median_intervals import median_interval

TIMES = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=60)
TRIALS = 10_000
COVERS = pytest.approx(0.96, abs=0.02)
"""The bar: 94 to 98 %."""


# Ten samples are the least that the bar speaks of.
@pytest.mark.parametrize("count", [10, 11, 30, 100, 300])
@pytest.mark.parametrize("name", INDEPENDENT)
def test_it_covers_the_true_median(name, count):
    chance = np.random.default_rng(count)
    assert stats_coverage.coverage(name, count, chance, TRIALS) == COVERS


@pytest.mark.parametrize("name", INDEPENDENT)
def test_a_run_that_stops_when_it_is_narrow_covers_it_nearly_as_often(name):
    """Looking until the interval is narrow picks those that are narrow by chance: 91 to 94 %."""
    held, count = stats_coverage.stopped(name, 0.03, np.random.default_rng(1), 1000)
    assert 0.90 <= held <= 0.96
    assert stats_coverage.FIRST < count < stats_coverage.MOST


def binomial(successes: int, count: int) -> float:
    return math.comb(count, successes) / float(2**count)


def between(k: int, count: int) -> float:
    """How likely the k-th smallest and k-th largest of so many hold the median."""
    return math.fsum(binomial(j, count) for j in range(k, count - k + 1))


@pytest.mark.parametrize("count", [*range(MIN_SAMPLES, 60), 200, 999])
def test_the_ranks_are_those_of_the_binomial_distribution(count):
    at = ranks(count)
    outer, inner = between(at.outer, count), between(at.outer + 1, count)
    assert inner < 0.95 <= outer
    excess = (outer - 0.95) / (outer - inner)
    k = at.outer
    assert at.inward == pytest.approx((count - k) * excess / (k + (count - 2 * k) * excess))


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99, 0.999])
def test_more_confidence_is_a_wider_interval(confidence):
    chance = np.random.default_rng(2).normal(20, 1, 101)
    narrow, wide = median_interval(chance, confidence), median_interval(chance, confidence + 0.0005)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_by_hand():
    """Ten samples: ranks 2 and 9 hold the median in 97.85 %, 3 and 8 in 89.06 %."""
    excess = (0.978515625 - 0.95) / (0.978515625 - 0.890625)
    inward = 8 * excess / (2 + 6 * excess)
    assert median_interval([3, 1, 2, 10, 9, 8, 7, 6, 5, 4]) == pytest.approx(
        (2 + inward, 9 - inward)
    )


@pytest.mark.parametrize("count", range(1, MIN_SAMPLES))
def test_few_samples_have_their_range(count):
    samples = [float(n) for n in range(count)]
    assert median_interval(samples) == (0, count - 1)


@given(TIMES)
def test_it_lies_in_the_range_and_around_the_median(samples):
    low, high = median_interval(samples)
    assert min(samples) <= low <= np.median(samples) <= high <= max(samples)


@given(TIMES, st.floats(0.01, 100), st.floats(0, 1000))
def test_it_moves_and_grows_with_its_samples(samples, scale, shift):
    low, high = median_interval(samples)
    moved = median_interval([scale * sample + shift for sample in samples])
    assert moved == pytest.approx((scale * low + shift, scale * high + shift))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_turned_over_it_is_its_own_mirror_image(samples):
    low, high = median_interval(samples)
    assert median_interval([-sample for sample in samples]) == pytest.approx((-high, -low))


@given(st.floats(1e-3, 1e6), st.integers(1, 300))
def test_a_constant_series_has_no_width(value, count):
    assert median_interval([value] * count) == (value, value)


def test_many_series_at_once_are_each_by_itself():
    series = np.sort(np.random.default_rng(3).normal(20, 1, (5, 40)))
    lows, highs = interval_ends(series, ranks(40))
    assert [*zip(lows, highs, strict=True)] == [median_interval(sery) for sery in series]


def test_a_large_number_of_samples_does_not_underflow():
    at = ranks(1_000_001)
    assert at.outer == pytest.approx(500_000 - 0.98 * 1000, abs=2)


@pytest.mark.parametrize("samples", [[], [[1.0, 2.0]], [1.0, math.nan], [math.inf]])
def test_what_is_no_series_is_a_wrong_input(samples):
    with pytest.raises(WrongInput, match="sample"):
        median_interval(samples)


@pytest.mark.parametrize(("count", "confidence"), [(0, 0.95), (-1, 0.95), (9, 1.0), (9, 0.4)])
def test_a_call_that_makes_no_sense(count, confidence):
    with pytest.raises(ValueError, match="no interval"):
        ranks(count, confidence)
