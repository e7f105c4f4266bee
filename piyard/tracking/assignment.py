"""Minimum-cost assignment with a cost limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piyard.model.steps import Doubles


def assigned(costs: Doubles, limit: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of the matrix, by row; each row and each column in at most one pair.

    The pairs minimise the sum of their costs plus ``limit`` / 2 for each row and each column left
    alone: the problem ``lap.lapjv(costs, extend_cost=True, cost_limit=limit)`` solves on a square
    of rows + columns. A pair that costs ``limit`` saves nothing, so that it may stand for two left
    alone: complete assignments of costs cut off at ``limit`` have the same least sum, on the matrix
    itself.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.minimum(costs, limit))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column) for row, column in pairs if costs[row, column] < limit]
