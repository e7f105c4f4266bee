"""Runs that drift or have two modes are found; runs that merely scatter are left alone."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import made_times
from benchmarks.made_times import ALIKE, CLEAN, COURSES, INDEPENDENT
from benchmarks.stats_coverage import rate
from piyard.core.errors import WrongInput
from piyard.results.significance import ar1_inflation
from piyard.results.trend import changes_slowly, find_drift, find_modes

FOUND, FALSE = 0.95, 0.01
"""The bars: of series that have it at least, of series that have not at most."""
RUNS = 300
MANY = 1000
"""Runs that a false alarm is looked for in."""


def chance(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# Drift


@pytest.mark.parametrize("count", [50, 100, 300])
@pytest.mark.parametrize("course", COURSES)
def test_a_run_that_becomes_a_tenth_slower_drifts(course, count):
    series = made_times.drifting(course, 0.10, chance(), RUNS, count)
    assert rate(find_drift, series) >= FOUND


@pytest.mark.parametrize("course", COURSES)
def test_a_smaller_change_is_found_in_a_hundred_samples(course):
    assert rate(find_drift, made_times.drifting(course, 0.06, chance(), RUNS, 100)) >= FOUND


@pytest.mark.parametrize("course", ["trend", "step half way", "swell and back"])
def test_twenty_samples_show_a_change_over_the_whole_run(course):
    """A swell ends where it began, so that only neighbours tell of it."""
    assert rate(find_drift, made_times.drifting(course, 0.06, chance(), RUNS, 20)) >= 0.9


@pytest.mark.parametrize("name", CLEAN)
def test_a_drift_is_found_in_heavy_tails_too(name):
    series = made_times.drifting("trend", 0.10, chance(), RUNS, 100, name=name)
    assert rate(find_drift, series) >= FOUND


@pytest.mark.parametrize("count", [20, 100, 300])
@pytest.mark.parametrize("name", INDEPENDENT)
def test_a_run_that_scatters_does_not_drift(name, count):
    assert rate(find_drift, made_times.times(name, chance(), MANY, count)) <= FALSE


def test_neighbours_that_share_a_third_are_no_drift():
    (alike, *_) = ALIKE
    assert rate(find_drift, made_times.times(alike, chance(), MANY, 100)) <= FALSE


@pytest.mark.parametrize("count", [20, 100])
@pytest.mark.parametrize("name", INDEPENDENT)
def test_independent_samples_change_slowly_in_one_run_of_two_hundred(name, count):
    """Whether a change matters is not asked here, so this is where its p value shows."""
    rates = [
        rate(changes_slowly, made_times.times(name, chance(seed), MANY, count)) for seed in range(2)
    ]
    assert np.mean(rates) <= FALSE


def test_drift_tells_from_where_to_where():
    drift = find_drift([10.0] * 50 + [12.0] * 50)
    assert drift is not None
    assert (drift.before, drift.after, drift.direction) == (10, 12, "slower")
    assert drift.size == pytest.approx(2 / 11)


def test_a_run_may_become_faster():
    drift = find_drift(np.linspace(12, 10, 200))
    assert drift is not None
    assert drift.direction == "faster"
    assert drift.before > drift.after


def test_a_trend_counts_by_the_distance_of_its_outer_fifths():
    drift = find_drift(np.linspace(10, 11, 1000))
    assert drift is not None
    assert drift.size == pytest.approx(0.8 / 10.5, rel=0.01)


def test_a_swell_is_told_by_its_top():
    drift = find_drift(10 + np.sin(np.linspace(0, np.pi, 1000)))
    assert drift is not None
    assert drift.before < drift.after == pytest.approx(11, abs=0.05)


@pytest.mark.parametrize("course", COURSES)
def test_a_slow_change_of_one_percent_is_not_worth_a_word(course):
    series = made_times.drifting(course, 0.01, chance(), RUNS, 300)
    assert rate(find_drift, series) <= FALSE


@pytest.mark.parametrize("count", [20, 50, 100])
@pytest.mark.parametrize("course", COURSES)
def test_a_small_change_is_not_blown_up_by_noise(course, count):
    """Fifths of a short run differ by chance, which makes a step look larger."""
    series = made_times.drifting(course, 0.015, chance(), RUNS, count)
    assert rate(find_drift, series) <= 0.05


@given(st.lists(st.floats(1, 100), min_size=40, max_size=40))
def test_backwards_a_drift_is_as_large(samples):
    there, back = find_drift(samples), find_drift(samples[::-1])
    sizes = [abs(result.size) if result else 0 for result in (there, back)]
    assert sizes[0] == pytest.approx(sizes[1])


@given(st.floats(0.01, 100))
def test_a_drift_has_no_unit(scale):
    run = made_times.drifting("trend", 0.1, chance(), 60)
    first, scaled = find_drift(run), find_drift(scale * run)
    assert first is not None
    assert scaled is not None
    assert scaled.size == pytest.approx(first.size)


# Two modes


@pytest.mark.parametrize(
    ("distance", "minor", "count"),
    [(10, 0.4, 30), (10, 0.4, 100), (10, 0.2, 100), (6, 0.25, 300), (5, 0.4, 300), (20, 0.15, 300)],
)
def test_two_modes_are_found(distance, minor, count):
    result = partial(made_times.apart, distance, minor, chance())
    assert rate(find_modes, result(RUNS, count)) >= FOUND


def test_outliers_do_not_hide_two_modes():
    series = made_times.apart(10, 0.4, chance(), RUNS, 100)
    series[:, ::33] *= 50
    assert rate(find_modes, series) >= FOUND


@pytest.mark.parametrize("count", [20, 100, 300])
@pytest.mark.parametrize("name", [*CLEAN, *ALIKE])
def test_a_single_hump_has_no_two_modes(name, count):
    assert rate(find_modes, made_times.times(name, chance(), MANY, count)) <= FALSE


@pytest.mark.parametrize("count", [20, 100, 300])
def test_a_flat_hump_has_none_either(count):
    assert rate(find_modes, chance().uniform(20, 22, (MANY, count))) <= FALSE


@pytest.mark.parametrize("course", COURSES)
def test_a_drift_is_no_mode(course):
    series = made_times.drifting(course, 0.20, chance(), RUNS, 100)
    assert rate(find_modes, series) <= FALSE


def test_modes_tell_where_and_how_often():
    modes = find_modes(made_times.apart(10, 0.4, chance(), 2000))
    assert modes is not None
    assert modes.low == pytest.approx(20, rel=0.002)
    assert modes.high == pytest.approx(22, rel=0.002)
    assert modes.low_share == pytest.approx(0.6, abs=0.03)
    assert modes.high_share == pytest.approx(1 - modes.low_share)
    assert modes.apart == pytest.approx(2 / 20.2, rel=0.05)


def test_modes_without_noise_have_their_exact_places():
    modes = find_modes([10.0, 10.0, 11.0] * 20)
    assert modes is not None
    assert (modes.low, modes.high) == (10, 11)
    assert modes.low_share == pytest.approx(2 / 3)


def test_modes_one_percent_apart_are_not_worth_a_word():
    assert find_modes([20.0, 20.2] * 50) is None


def test_a_few_slow_samples_are_a_tail():
    assert find_modes(([20.0] * 19 + [30.0]) * 10) is None


@given(st.randoms(use_true_random=False))
def test_where_the_modes_are_does_not_depend_on_the_order(randomness):
    """Whether they count does: samples that happen to lie as if they changed once have drifted."""
    run = made_times.apart(10, 0.4, chance(), 100).tolist()
    modes = find_modes(run)
    randomness.shuffle(run)
    assert modes is not None
    assert find_modes(run) in {modes, None}


# Both


@pytest.mark.parametrize("function", [find_drift, find_modes])
@pytest.mark.parametrize("count", [1, 2, 19])
def test_short_runs_tell_neither(function, count):
    assert function([float(n + 1) for n in range(count)]) is None


@pytest.mark.parametrize("function", [find_drift, find_modes])
@pytest.mark.parametrize("value", [0.0, 20.0])
def test_a_constant_run_has_neither(function, value):
    assert function([value] * 100) is None


@pytest.mark.parametrize("function", [find_drift, find_modes])
def test_nothing_measured_is_a_wrong_input(function):
    with pytest.raises(WrongInput, match="no samples"):
        function([])


@pytest.mark.parametrize("function", [find_drift, find_modes])
@given(samples=st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_no_series_is_too_odd(function, samples):
    function(samples)


# Samples that follow each other


def test_independent_samples_widen_nothing():
    assert ar1_inflation(chance().normal(20, 1, 10_000)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("part", [1 / 3, 0.7])
def test_following_samples_widen_as_theory_has_it(part):
    run = made_times.following(part)(chance(), (100_000,))
    assert ar1_inflation(run) == pytest.approx(np.sqrt((1 + part) / (1 - part)), rel=0.05)


@given(st.lists(st.floats(1, 100), min_size=1, max_size=60))
def test_an_interval_is_never_narrowed_and_stays_finite(samples):
    assert 1 <= ar1_inflation(np.array(samples)) < 7
