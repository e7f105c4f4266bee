"""Builds measured in turns: the run is the evidence, however many samples it has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from benchmarks import made_times, stats_coverage
from benchmarks.stats_coverage import SLOWER, SPREAD
from piyard.core.errors import WrongInput
from piyard.results.significance import Comparison, compare_runs

FALSE, FOUND = 0.01, 0.95
TRIALS = 1000
POWER_TRIALS = 300
OPPOSITE = {"faster": "slower", "slower": "faster", "not significant": "not significant"}
RUN = st.lists(st.floats(1, 100), min_size=1, max_size=8)
PAIRS = st.lists(st.tuples(RUN, RUN), min_size=1, max_size=4)


def runs(level: float, count: int = 10) -> list[float]:
    """A run that is as quiet as can be."""
    return [level] * count


def abba(name: str, spread: float, trials: int, pairs: int = 2):
    chance = np.random.default_rng(pairs)
    return stats_coverage.two_builds(name, spread, chance, trials, pairs, 100)


@pytest.mark.parametrize("name", ["normal", "a third kept", "0.7 kept", "outliers"])
def test_equal_builds_raise_no_alarm(name):
    assert stats_coverage.called_by_runs(*abba(name, SPREAD, TRIALS)) <= FALSE


@pytest.mark.parametrize("name", ["normal", "a third kept", "0.7 kept", "outliers"])
def test_five_percent_is_found(name):
    a, b = abba(name, SPREAD, POWER_TRIALS)
    assert stats_coverage.called_by_runs(a, SLOWER * b) >= FOUND


@pytest.mark.parametrize("spread", [0.002, 0.01])
def test_a_quieter_or_rougher_board_raises_no_alarm_either(spread):
    """Runs that differ twice as much as was thought widen the interval by themselves."""
    assert stats_coverage.called_by_runs(*abba("a third kept", spread, TRIALS)) <= FALSE


def test_more_turns_find_smaller_changes():
    a, b = abba("a third kept", 0.002, POWER_TRIALS, pairs=4)
    assert stats_coverage.called_by_runs(a, 1.02 * b) >= FOUND


def test_a_board_that_warms_up_favours_nobody():
    """Each run 1 % slower than the one before: A-B-B-A has both in the same middle."""
    a1, b1, b2, a2 = (runs(20 * 1.01**place) for place in range(4))
    comparison = compare_runs([(a1, b1), (a2, b2)])
    assert comparison.effect == pytest.approx(0, abs=1e-12)
    assert comparison.verdict == "not significant"


def test_a_thousand_samples_do_not_outweigh_two_runs():
    chance = np.random.default_rng(1)
    quiet = made_times.times("normal", chance, 2, 2, 5000)
    offsets = np.array([[0.99], [1.01]])
    comparison = compare_runs([*zip(quiet[0] * offsets, 1.02 * quiet[1] * offsets, strict=True)])
    assert comparison.verdict == "not significant"


def test_by_hand():
    """Quiet runs of 100, 102 and 110, 112: pooled with 0.5 %, worth two degrees of freedom."""
    comparison = compare_runs([(runs(100), runs(110)), (runs(102), runs(112))])
    a, b = np.log([100, 102]), np.log([110, 112])
    freedom = 2 + 2
    variance = (2 * 0.005**2 + ((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / freedom
    error = math.sqrt(variance)  # of a difference of two means of two
    middle, reach = b.mean() - a.mean(), student.ppf(0.975, freedom) * error
    assert comparison.median_a == pytest.approx(math.sqrt(100 * 102))
    assert comparison.median_b == pytest.approx(math.sqrt(110 * 112))
    assert comparison.effect == pytest.approx(math.expm1(middle))
    assert comparison.low == pytest.approx(math.expm1(middle - reach))
    assert comparison.high == pytest.approx(math.expm1(middle + reach))
    assert comparison.p == pytest.approx(2 * student.sf(middle / error, freedom))
    assert (comparison.u, comparison.verdict) == (4, "slower")


def test_scatter_within_the_runs_widens_the_interval():
    """Medians known to 100 ± 5 ms: a standard deviation of 2.6 % beside the 0.5 % of runs."""
    noisy = [95.0, 105.0] * 5
    comparison = compare_runs([(noisy, noisy), (noisy, noisy)])
    scatter = math.log(105 / 95) / 2 / 1.96
    error = math.sqrt((2 * (0.005**2 + scatter**2)) / 4)
    assert math.log1p(comparison.high) == pytest.approx(student.ppf(0.975, 4) * error)


def test_one_run_a_side_is_judged_by_what_runs_are_thought_to_differ_by():
    """Two degrees of freedom: only what is far beyond 0.5 % is a change."""
    assert compare_runs([(runs(100), runs(105))]).verdict == "not significant"
    assert compare_runs([(runs(100), runs(120))]).verdict == "slower"


def test_less_than_one_percent_is_never_a_change():
    comparison = compare_runs([(runs(100), runs(100.9))] * 30)
    assert comparison.p < 0.005
    assert comparison.verdict == "not significant"
    assert "1 %" in comparison.why


@pytest.mark.parametrize("count", [1, 2, 6])
def test_runs_of_few_samples_are_never_enough(count):
    comparison = compare_runs([(runs(100), runs(200)), (runs(100), runs(200, count))])
    assert comparison.verdict == "not significant"
    assert f"a run of {count} samples shows too little" in comparison.why


def figures(comparison: Comparison) -> tuple[float, ...]:
    return (comparison.effect, comparison.low, comparison.high, comparison.p)


@given(PAIRS)
def test_swapped_it_turns_round(pairs):
    there, back = compare_runs(pairs), compare_runs([(b, a) for a, b in pairs])
    assert back.verdict == OPPOSITE[there.verdict]
    assert math.log1p(back.effect) == pytest.approx(-math.log1p(there.effect), abs=1e-9)
    assert math.log1p(back.low) == pytest.approx(-math.log1p(there.high), abs=1e-9)
    assert back.p == pytest.approx(there.p)


@given(PAIRS, st.floats(0.1, 10))
def test_neither_unit_nor_order_of_pairs_matter(pairs, scale):
    scaled = [([scale * x for x in a], [scale * x for x in b]) for a, b in reversed(pairs)]
    expected = pytest.approx(figures(compare_runs(pairs)), rel=1e-6, abs=1e-9)
    assert figures(compare_runs(scaled)) == expected


@given(st.lists(RUN, min_size=1, max_size=4))
def test_runs_do_not_differ_from_themselves(same):
    comparison = compare_runs([(run, run) for run in same])
    assert (comparison.verdict, comparison.effect, comparison.p) == ("not significant", 0, 1)


def test_no_runs_are_nothing_to_compare():
    with pytest.raises(WrongInput, match="no runs to compare"):
        compare_runs([])


@pytest.mark.parametrize("bad", [[], [0.0, 1.0], [-2.0], [math.inf]])
def test_a_run_that_is_none_is_a_wrong_input(bad):
    with pytest.raises(WrongInput):
        compare_runs([([1.0], [1.0]), (bad, [1.0])])
