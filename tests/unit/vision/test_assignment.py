"""Pairs of least total cost: against the square problem that lap.lapjv solves, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from piyard.vision.overlap import assign_pairs

COSTS = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7),
    elements=st.floats(-1, 2, width=32),
)


def extended_total(costs, limit):
    """The least sum on a square of rows + columns: who stays alone costs half the limit."""
    rows, columns = costs.shape
    square = np.full((rows + columns,) * 2, limit / 2)
    square[:rows, :columns] = costs
    square[rows:, columns:] = 0
    at = linear_sum_assignment(square)
    return square[at].sum()


@given(COSTS, st.floats(0.0625, 1.5))
def test_total_is_that_of_the_extended_problem(costs, limit):
    pairs = assign_pairs(costs, limit)
    alone = sum(costs.shape) - 2 * len(pairs)
    total = sum(costs[pair] for pair in pairs) + alone * limit / 2
    assert total == pytest.approx(extended_total(costs, limit), abs=1e-9)


@given(COSTS, st.floats(0.0625, 1.5))
def test_nobody_is_in_two_pairs_and_no_pair_costs_the_limit(costs, limit):
    pairs = assign_pairs(costs, limit)
    assert pairs == sorted(pairs)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(costs[pair] < limit for pair in pairs)


def test_two_dear_pairs_are_left_for_one_cheap_one():
    costs = np.array([[0.1, 0.75], [0.75, 5.0]])
    assert assign_pairs(costs, 0.8) == [(0, 0)]


def test_two_fair_pairs_are_taken_rather_than_the_cheapest_one():
    costs = np.array([[0.1, 0.3], [0.3, 5.0]])
    assert assign_pairs(costs, 0.8) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nobody_to_pair(shape):
    assert assign_pairs(np.zeros(shape), 1) == []
