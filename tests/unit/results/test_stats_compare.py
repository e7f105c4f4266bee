"""Equal builds are not called different, different ones are, and the figures are those of books."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from benchmarks import made_times, stats_coverage
from benchmarks.made_times import ALIKE, CLEAN
from benchmarks.stats_coverage import SLOWER, SPREAD
from piyard.core.errors import WrongInput
from piyard.results.significance import compare_samples

FALSE, FOUND = 0.01, 0.95
"""The bars: of 1,000 comparisons of equal builds at most, of true changes of 5 % at least."""
TRIALS = 1000
POWER_TRIALS = 300
TIMES = st.lists(st.floats(0.1, 1000), min_size=1, max_size=40)
OPPOSITE = {"faster": "slower", "slower": "faster", "not significant": "not significant"}


def two_builds(name: str, count: int, noise: float):
    chance = np.random.default_rng(count)
    return stats_coverage.two_builds(name, SPREAD, chance, TRIALS, count, noise=noise)


# Noise of 4 % is what a hundred samples bring within 1 %: the widest that a VALID row may be.
@pytest.mark.parametrize(("noise", "count"), [(0.01, 20), (0.04, 100)])
@pytest.mark.parametrize("name", CLEAN)
def test_equal_builds_raise_no_alarm_and_five_percent_is_found(name, noise, count):
    a, b = two_builds(name, count, noise)
    assert stats_coverage.called(a, b) <= FALSE
    assert stats_coverage.called(a[:POWER_TRIALS], SLOWER * b[:POWER_TRIALS]) >= FOUND


@pytest.mark.parametrize(
    ("name", "noise"), [("a third kept", 0.04), ("0.7 kept", 0.01), ("two modes", 0.01)]
)
def test_neither_following_samples_nor_modes_raise_alarms(name, noise):
    assert stats_coverage.called(*two_builds(name, 100, noise)) <= FALSE


@pytest.mark.parametrize("name", ALIKE)
def test_five_percent_is_found_though_samples_follow_each_other(name):
    a, b = two_builds(name, 300, 0.01)
    assert stats_coverage.called(a[:POWER_TRIALS], SLOWER * b[:POWER_TRIALS]) >= FOUND


def test_a_gain_is_found_as_a_loss_is():
    a, b = two_builds("normal", 100, 0.01)
    comparison = [
        compare_samples(each, other / SLOWER) for each, other in zip(a[:200], b[:200], strict=True)
    ]
    assert np.mean([item.verdict == "faster" for item in comparison]) >= FOUND


@pytest.mark.parametrize("change", [0.98, 1.02])
def test_what_placement_alone_may_do_is_not_called_a_change(change):
    """However many samples say so: 2 % is less than two runs of one program may differ by."""
    run = made_times.times("normal", np.random.default_rng(1), 1000)
    comparison = compare_samples(run, change * run)
    assert comparison.p < 1e-9
    assert comparison.verdict == "not significant"
    assert "2.5 %" in comparison.why


def test_by_hand():
    """Of eight samples, 95 % lie between ranks 1 and 2, and 7 and 8: from 99 to 101 ms."""
    a = [100.0, 99.0, 101.0, 100.0, 100.0, 99.0, 101.0, 100.0]
    comparison = compare_samples(a, [1.1 * each for each in a])
    assert comparison.median_a == 100
    assert comparison.median_b == pytest.approx(110)
    assert comparison.effect == pytest.approx(0.1)
    down = math.hypot(math.log(100 / 99), math.log(101 / 100))
    assert math.log1p(comparison.low) == pytest.approx(math.log(1.1) - down)
    up = math.hypot(math.log(101 / 100), math.log(100 / 99))
    assert math.log1p(comparison.high) == pytest.approx(math.log(1.1) + up)
    assert (comparison.u, comparison.verdict) == (64, "slower")
    assert comparison.p == mannwhitneyu(a, [1.1 * item for item in a]).pvalue
    assert comparison.why == f"p = {comparison.p:.1g}"


def test_u_counts_pairs_a_tie_half():
    comparison = compare_samples([1.0, 2.0, 3.0], [2.0, 4.0])
    assert comparison.u == 1.5 + 3


@given(TIMES, TIMES)
def test_swapped_it_turns_round(a, b):
    there, back = compare_samples(a, b), compare_samples(b, a)
    assert back.verdict == OPPOSITE[there.verdict]
    assert (back.median_a, back.median_b) == (there.median_b, there.median_a)
    for figure, mirrored in (
        (back.effect, there.effect),
        (back.low, there.high),
        (back.high, there.low),
    ):
        assert math.log1p(figure) == pytest.approx(-math.log1p(mirrored), abs=1e-9)
    assert back.p == pytest.approx(there.p)
    assert back.u + there.u == len(a) * len(b)


@given(TIMES, TIMES)
def test_the_effect_lies_in_its_interval(a, b):
    comparison = compare_samples(a, b)
    assert comparison.low <= comparison.effect + 1e-12
    assert comparison.effect <= comparison.high + 1e-12
    assert comparison.effect == pytest.approx(np.median(b) / np.median(a) - 1)
    assert 0 <= comparison.p <= 1


@given(TIMES, TIMES)
def test_a_change_has_all_its_reasons(a, b):
    comparison = compare_samples(a, b)
    if comparison.verdict != "not significant":
        assert comparison.p < 0.001
        assert abs(math.log1p(comparison.effect)) >= math.log(1.025)
        assert comparison.low > 0 or comparison.high < 0
        assert (comparison.verdict == "slower") == (comparison.effect > 0)
        assert min(len(a), len(b)) >= 7


@given(
    TIMES, TIMES, st.sampled_from([2.0**-10, 0.5, 2.0, 2.0**10])
)  # exact: rounding would make ties
def test_the_unit_is_no_matter(a, b, scale):
    before, after = (
        compare_samples(a, b),
        compare_samples([scale * x for x in a], [scale * x for x in b]),
    )
    assert after.effect == pytest.approx(before.effect, abs=1e-9)
    assert (after.low, after.high) == pytest.approx((before.low, before.high), abs=1e-9)


@given(TIMES)
def test_a_run_does_not_differ_from_itself(run):
    comparison = compare_samples(run, run)
    assert (comparison.verdict, comparison.effect) == ("not significant", 0)
    assert comparison.u == len(run) ** 2 / 2


@given(st.floats(0.1, 1000), st.integers(1, 50), st.integers(1, 50))
def test_equal_constants_do_not_differ(value, count_a, count_b):
    assert compare_samples([value] * count_a, [value] * count_b).verdict == "not significant"


def test_unequal_constants_do():
    comparison = compare_samples([20.0] * 10, [22.0] * 10)
    assert comparison.verdict == "slower"
    assert comparison.low == comparison.effect == comparison.high == pytest.approx(0.1)


@pytest.mark.parametrize(("few", "many"), [(1, 1), (1, 500), (2, 2), (6, 500), (500, 6)])
def test_few_samples_are_never_enough(few, many):
    """Six among five hundred have a p that looks like a proof."""
    chance = np.random.default_rng(1)
    a, b = chance.normal(20, 0.1, few), chance.normal(30, 0.1, many)
    comparison = compare_samples(a, b)
    assert comparison.verdict == "not significant"
    assert f"a run of {min(few, many)} samples shows too little" in comparison.why


def test_medians_that_differ_by_chance_are_not_significant():
    comparison = compare_samples(
        [19.0, 20.0, 21.0, 20.0, 19.5, 20.5, 20.2], [20.0, 21.0, 20.5, 19.9, 20.1, 22, 19]
    )
    assert comparison.verdict == "not significant"
    assert comparison.why.startswith("p = ")


def test_another_shape_with_the_same_median_is_no_change_of_it():
    """Mann-Whitney hears the longer half; the report speaks of medians."""
    a = [20.0] * 101 + [20.1] * 99
    b = [20.0] * 101 + [30.0] * 99
    comparison = compare_samples(a, b)
    assert comparison.p < 0.001
    assert comparison.verdict == "not significant"
    assert "holds 0" in comparison.why


def test_a_middle_that_moved_alone_is_not_enough():
    """Medians of 100 and 105 ms, both exactly known, in runs that are the same but for a fifth."""
    a = [90.0] * 800 + [100.0] * 400 + [120.0] * 800
    b = [90.0] * 800 + [105.0] * 400 + [120.0] * 800
    comparison = compare_samples(a, b)
    assert comparison.low == comparison.effect == pytest.approx(0.05)
    assert 0.001 < comparison.p < 0.05
    assert comparison.verdict == "not significant"


def test_samples_that_follow_each_other_say_less():
    """The same samples once at random and once in slow waves."""
    chance = np.random.default_rng(1)
    a, b = chance.normal(20, 0.5, 100), chance.normal(20.2, 0.5, 100)
    scattered, waves = compare_samples(a, b), compare_samples(np.sort(a), np.sort(b))
    assert (waves.effect, waves.p) == (scattered.effect, scattered.p)
    assert waves.low < scattered.low < scattered.high < waves.high


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_times_that_are_none_cannot_be_compared(bad):
    for pair in ([20.0, bad], [20.0]), ([20.0], [20.0, bad]):
        with pytest.raises(WrongInput, match=f"a time of {bad:g} ms cannot be compared") as error:
            compare_samples(*pair)
        assert "more loops" in error.value.remedy


@pytest.mark.parametrize("pair", [([], [1.0]), ([1.0], []), ([math.nan], [1.0])])
def test_without_samples_there_is_nothing_to_compare(pair):
    with pytest.raises(WrongInput, match="sample"):
        compare_samples(*pair)
