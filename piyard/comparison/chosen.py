"""A side → its results: of each job the newest one that may be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from piyard.comparison.side import EXAMPLE, HOLDS, Side
from piyard.errors import WrongInput, nearest
from piyard.history import names
from piyard.row import Row
from piyard.verdict import believable

JOB: Mapping[str, Callable[[Row], str]] = {
    "host": lambda row: row.host,
    "model": lambda row: row.model,
    "precision": lambda row: row.precision,
    "threads": lambda row: str(row.threads),
}
"""What makes two results measurements of the same job."""
KEYS: Mapping[str, Callable[[Row], str]] = {
    "build": lambda row: row.build,
    "model_key": lambda row: row.model_key,
}
"""Keys given by their start, which must be unique."""
MANY = 12


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The results that count, and those left out as INVALID."""

    rows: Sequence[Row]
    left_out: Sequence[Row]


def of(side: Side, rows: Sequence[Row], runs: Sequence[str]) -> Chosen:
    """The results of that side.

    ``rows`` are all there are, oldest first, and ``runs`` their ids in order. Raises
    ``WrongInput`` where nothing is meant, or more than one thing.
    """
    if side.run:
        run = names.full(side.run, runs)
        return _newest(row for row in rows if row.run == run)
    selected = [row for row in rows if side.holds(row)]
    if not selected:
        raise _nothing(side, rows)
    for key in KEYS.keys() & side.conditions.keys():
        _require_one(side, key, {KEYS[key](row) for row in selected})
    return _newest(selected)


def job_of(row: Row) -> tuple[str, ...]:
    """What two results of one job have in common."""
    return tuple(value_of(row) for value_of in JOB.values())


def why_left_out(row: Row) -> str:
    """One line on a result that is INVALID."""
    reasons = [reason.text for reason in row.verdict.reasons if reason.grade == "INVALID"]
    return f"left out: {row.run} is INVALID{': ' if reasons else ''}{'; '.join(reasons)}"


def _newest(rows: Iterable[Row]) -> Chosen:
    """INVALID results without a later valid one of their job are listed as left out."""
    newest: dict[tuple[str, ...], Row] = {}
    doubtful: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if believable(row.verdict):
            newest[job_of(row)] = row
            doubtful.pop(job_of(row), None)
        else:
            doubtful.setdefault(job_of(row), []).append(row)
    left_out = [row for several in doubtful.values() for row in several]
    return Chosen(rows=list(newest.values()), left_out=left_out)


def _require_one(side: Side, key: str, values: set[str]) -> None:
    start = side.conditions[key]
    if len(values) > 1 and start not in values:
        raise WrongInput(
            f"several of {key} begin with '{start}'",
            evidence="\n".join(sorted(values)),
            remedy="give more of it",
        )


def _nothing(side: Side, rows: Sequence[Row]) -> WrongInput:
    """Names the first key that no result has, and the values that there are."""
    problem = f"no stored result is in '{side.text}'"
    for key, value in side.conditions.items():
        value_of = {**JOB, **KEYS}.get(key)
        if value_of and not any(HOLDS[key](row, value) for row in rows):
            values = sorted({value_of(row) for row in rows})
            return WrongInput(
                f"{problem}: no {key} is {value}{nearest(value, values)}",
                remedy=f"there are results of {', '.join(values[:MANY])}{_more(values)}",
            )
    return WrongInput(problem, remedy=f"invoke history lists what there is; a side is {EXAMPLE}")


def _more(there: Sequence[str]) -> str:
    return f" and {len(there) - MANY} more" if len(there) > MANY else ""
