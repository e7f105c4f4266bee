"""The figures of a series: known ones, and what holds for every series."""

from __future__ import annotations

import math
import random
import statistics
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.results import summary
from piyard.results.summary import Summary
from tests.support.median_intervals import median_interval

TIMES = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=60)
FIGURES = [name for name in Summary.__struct_fields__ if name != "count"]


def test_by_hand():
    """Percentiles of 1 to 11: rank 1 + p · 10."""
    result = summary.summarize([11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6])
    assert (result.count, result.min, result.max) == (11, 1, 11)
    assert (result.p10, result.median, result.p90) == (2, 6, 10)
    assert result.p99 == pytest.approx(10.9)
    assert result.mad == 3
    assert (result.low, result.high) == median_interval(range(1, 12))


def test_one_outlier_moves_neither_median_nor_deviation():
    calm, spoilt = [20.0, 20.1, 19.9, 20.2, 19.8, 20.0, 20.1], 500.0
    result = summary.summarize([*calm, spoilt])
    assert result.median == pytest.approx(20.05)
    assert result.mad == pytest.approx(0.1)
    assert result.max == spoilt


def test_half_width_is_a_fraction_of_the_median():
    result = summary.summarize([19.0, 20.0, 21.0])
    assert (result.low, result.median, result.high) == (19, 20, 21)
    assert result.half_width == pytest.approx(0.05)


def test_half_width_around_zero():
    assert summary.summarize([0.0, 0.0]).half_width == 0
    assert summary.summarize([-1.0, 0.0, 1.0]).half_width == math.inf


@given(TIMES)
def test_figures_are_in_order(samples):
    s = summary.summarize(samples)
    assert s.count == len(samples)
    assert (s.min, s.max) == (min(samples), max(samples))
    tiny = 1e-9 * s.max
    ascending = [s.min, s.p10, s.median, s.p90, s.p99, s.max]
    assert all(b >= a - tiny for a, b in pairwise(ascending))
    assert s.min <= s.low <= s.median <= s.high <= s.max
    assert s.median == pytest.approx(statistics.median(samples))
    assert 0 <= s.mad <= s.max - s.min


@given(TIMES, st.randoms(use_true_random=False))
def test_the_order_of_samples_is_no_matter(samples, chance: random.Random):
    shuffled = [*samples]
    chance.shuffle(shuffled)
    assert summary.summarize(shuffled) == summary.summarize(samples)


@given(TIMES, st.floats(0.01, 100))
def test_another_unit_is_another_scale(samples, scale):
    before, after = (
        summary.summarize(samples),
        summary.summarize([scale * sample for sample in samples]),
    )
    for name in FIGURES:
        expected = pytest.approx(scale * getattr(before, name), rel=1e-9, abs=1e-9 * scale)
        assert getattr(after, name) == expected, name


@given(TIMES, st.floats(0, 1000))
def test_a_constant_on_top_moves_all_but_the_deviation(samples, shift):
    before, after = (
        summary.summarize(samples),
        summary.summarize([sample + shift for sample in samples]),
    )
    for name in FIGURES:
        moved = getattr(before, name) + (0 if name == "mad" else shift)
        assert getattr(after, name) == pytest.approx(moved, rel=1e-9, abs=1e-6), name


@given(st.floats(1e-3, 1e6), st.integers(1, 100))
def test_a_constant_series(value, count):
    result = summary.summarize([value] * count)
    assert {getattr(result, name) for name in FIGURES if name != "mad"} == {value}
    assert result.mad == result.half_width == 0


def test_one_sample_is_all_its_figures():
    result = summary.summarize([7.5])
    assert (result.count, result.min, result.median, result.high, result.mad) == (
        1,
        7.5,
        7.5,
        7.5,
        0,
    )


def test_two_samples():
    result = summary.summarize([3.0, 1.0])
    assert (result.low, result.median, result.high, result.mad) == (1, 2, 3, 1)


def test_it_survives_being_written_and_read():
    result = summary.summarize([1.0, 2.0, 4.0])
    assert msgspec.json.decode(msgspec.json.encode(result), type=Summary) == result


@pytest.mark.parametrize("samples", [[], [1.0, math.nan], [math.inf, 1.0]])
def test_without_samples_there_are_no_figures(samples):
    with pytest.raises(WrongInput, match="sample"):
        summary.summarize(samples)
