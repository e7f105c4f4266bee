"""The made-up times are what they are said to be, and the benchmark prints its tables."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest

from benchmarks import made_times, stats_coverage
from benchmarks.made_times import COURSES, NOISES


@pytest.mark.parametrize("name", NOISES)
def test_the_true_median_is_that_of_many_samples(name):
    many = made_times.times(name, np.random.default_rng(1), 400_000)
    assert np.median(many) == pytest.approx(made_times.true_median(name), rel=2e-4)


@pytest.mark.parametrize("part", [1 / 3, 0.7])
def test_samples_follow_each_other_from_the_first_on(part):
    runs = made_times.following(part)(np.random.default_rng(1), (50_000, 2))
    assert runs.std(axis=0) == pytest.approx(1, abs=0.02)
    assert np.corrcoef(runs.T)[0, 1] == pytest.approx(part, abs=0.02)


@pytest.mark.parametrize("course", COURSES)
def test_a_course_goes_from_nothing_to_the_whole_change(course):
    at = COURSES[course](np.linspace(0, 1, 1001))
    assert at.min() == pytest.approx(0, abs=0.02)
    assert at.max() == pytest.approx(1)


def test_offsets_are_of_whole_runs():
    series = np.ones((2000, 3))
    shifted = made_times.with_offsets(series, 0.005, np.random.default_rng(1))
    assert (shifted == shifted[:, :1]).all()
    assert shifted[:, 0].std() == pytest.approx(0.005, rel=0.1)


def test_looks_are_at_a_growing_distance():
    looks = [*stats_coverage.looks()]
    assert looks[:3] == [20, 21, 22]
    assert looks[-1] == stats_coverage.MOST
    for each, following in islice(pairwise(looks), len(looks) - 2):
        assert following - each == max(1, each // 16)


def test_it_prints_all_its_tables(capsys):
    assert stats_coverage.main(["--trials", "2", "--seed", "3"]) == 0
    output = capsys.readouterr().out
    for title in (
        "interval holds the true median",
        "thought to change slowly",
        "drift found",
        "two modes found",
        "compare calls a change",
        "compare_runs calls a change",
    ):
        assert f"| {title} (%)" in output
    assert "nan" not in output
