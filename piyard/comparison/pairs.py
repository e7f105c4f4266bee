"""Two sides' results → pairs of one job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from piyard.comparison.chosen import JOB
from piyard.comparison.side import Side
from piyard.errors import WrongInput
from piyard.row import Row


class Pair(NamedTuple):
    """The same job, measured on each side."""

    a: Row
    b: Row


class Paired(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs together, what has no counterpart, and what is on both sides."""

    pairs: Sequence[Pair]
    only_a: Sequence[Row]
    only_b: Sequence[Row]
    same: Sequence[Row]


def pair(a: Side, b: Side, of_a: Sequence[Row], of_b: Sequence[Row]) -> Paired:
    """Bring results of one job together: model, precision asked for, threads and host.

    What is compared is not part of the job: with ``host=pi5-a`` against ``host=pi5-b`` the hosts
    differ in every pair. Raises ``WrongInput`` when a side then has several results of a job.
    """
    parts = [part for part in JOB if part not in compared(a, b, of_a, of_b)]
    left, right = _by_job(a, of_a, parts), _by_job(b, of_b, parts)
    both = [Pair(left[job], right[job]) for job in left if job in right]
    return Paired(
        pairs=[pair for pair in both if pair.a.run != pair.b.run],
        only_a=[row for job, row in left.items() if job not in right],
        only_b=[row for job, row in right.items() if job not in left],
        same=[pair.a for pair in both if pair.a.run == pair.b.run],
    )


def compared(a: Side, b: Side, of_a: Sequence[Row], of_b: Sequence[Row]) -> set[str]:
    """The parts of a job that a set names, or two runs have, and that no result shares."""
    runs = bool(a.run and b.run)
    return {
        part
        for part, value_of in JOB.items()
        if (runs or part in a.conditions or part in b.conditions)
        and {value_of(row) for row in of_a}.isdisjoint(value_of(row) for row in of_b)
    }


def _by_job(side: Side, rows: Sequence[Row], parts: Sequence[str]) -> Mapping[tuple[str, ...], Row]:
    by_job = defaultdict[tuple[str, ...], list[Row]](list)
    for row in rows:
        by_job[tuple(JOB[part](row) for part in parts)].append(row)
    for several in by_job.values():
        if len(several) > 1:
            raise _ambiguous(side, several, parts)
    return {job: row for job, (row,) in by_job.items()}


def _ambiguous(side: Side, several: Sequence[Row], parts: Collection[str]) -> WrongInput:
    for part in JOB.keys() - set(parts):
        values = sorted({JOB[part](row) for row in several})
        if len(values) > 1:
            return WrongInput(
                f"'{side.text}' means several of {part}: {', '.join(values)}",
                remedy=f"name one of them: {part}={values[0]}",
            )
    raise AssertionError(f"two results of one job: {several}")
