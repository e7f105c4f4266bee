"""Hartigan's dip: how far a sample is from having one mode.

J. A. Hartigan and P. M. Hartigan, "The dip test of unimodality", Annals of Statistics 13 (1985).
The dip is the largest distance of the empirical distribution function to the nearest one that
has a single mode (convex before it, concave after it). It knows no bandwidth, no shape and no
outliers: any single-humped distribution, however heavy its tails, has a small dip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from piyard.stats.series import Series

Point = tuple[float, float]


def dip(samples: Series) -> float:
    """The dip, from 1/2n to 1/4; the sample's order does not matter.

    The modal interval shrinks from the whole range: within it, the convex minorant of the
    distribution function's lower corners and the concave majorant of its upper corners are
    compared; the place where they are furthest apart is the next interval's edge, and what is
    left outside is final. It ends when they are no further apart than the dip found outside.
    """
    import numpy as np

    values, counts = np.unique(samples, return_counts=True)
    upto = np.cumsum(counts) / len(samples)
    below = upto - counts / len(samples)
    found = 1 / len(samples)
    while True:
        convex, concave = _hull(values, below, 1), _hull(values, upto, -1)
        under = np.interp(values, values[convex], below[convex])
        over = np.interp(values, values[concave], upto[concave])
        left, right, apart = _modal(over - under, convex, concave)
        if apart <= found:
            return found / 2
        outside = max((upto - under)[: left + 1].max(), (over - below)[right:].max())
        found = max(found, float(outside))
        if right - left + 1 == len(values):
            return found / 2
        inside = slice(left, right + 1)
        values, below, upto = values[inside], below[inside], upto[inside]


def _modal(gap: Series, convex: Sequence[int], concave: Sequence[int]) -> tuple[int, int, float]:
    """The knots around where the two curves are furthest apart, and how far that is."""
    at_convex = max(convex, key=gap.__getitem__)
    at_concave = max(concave, key=gap.__getitem__)
    if gap[at_convex] >= gap[at_concave]:
        right = next(knot for knot in concave if knot >= at_convex)
        return at_convex, right, float(gap[at_convex])
    left = next(knot for knot in reversed(convex) if knot <= at_concave)
    return left, at_concave, float(gap[at_concave])


def _hull(x: Series, y: Series, side: int) -> list[int]:
    """Indices of the knots of the convex hull's lower (side 1) or upper (side -1) chain."""
    points = list(zip(x.tolist(), (side * y).tolist(), strict=True))
    knots: list[int] = []
    for i, point in enumerate(points):
        while len(knots) > 1 and _turn(points[knots[-2]], points[knots[-1]], point) <= 0:
            knots.pop()
        knots.append(i)
    return knots


def _turn(a: Point, b: Point, c: Point) -> float:
    """Above 0 where the way a → b → c turns left."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
