"""The two sides of a comparison: as they are typed, the results they select, and pairs of one job.

A side is a run, or a set such as ``build=2cc76d,model=resnet*``: ``KEY=VALUE``, joined by commas;
all of them must hold. ``host`` and ``model`` take a name or a glob, ``build`` and ``model_key`` the
start of a key, ``precision`` what was asked for, ``threads`` a number, ``test`` and ``engine`` what
a language model did (pp512, tg128) and by which program, ``since`` a day or a moment
and ``on`` a day (both UTC). Of each job the newest result that may be believed counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timezone
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from piyard.core.errors import PROGRAM, WrongInput, did_you_mean, unknown_name
from piyard.results.judge import is_believable
from piyard.results.result import NNRUN_ENGINE, Row
from piyard.results.result_files import resolve_run_id

SIDE_EXAMPLE = (
    f"a run's id or its start ({PROGRAM} history), or a set such as build=2cc76d,model=resnet18"
)


def _matches_name(name: str, pattern: str) -> bool:
    """An address like [::1]:22 is a name, though it looks like a glob."""
    return name == pattern or fnmatchcase(name, pattern)


def _test_of(row: Row) -> str:
    return row.tokens.work.test if row.tokens else ""


def _engine_of(row: Row) -> str:
    return row.tokens.work.engine if row.tokens else NNRUN_ENGINE


KEY_TESTS: Mapping[str, Callable[[Row, str], bool]] = {
    "host": lambda row, value: _matches_name(row.host, value),
    "model": lambda row, value: _matches_name(row.model, value),
    "build": lambda row, value: row.build.startswith(value),
    "model_key": lambda row, value: row.model_key.startswith(value),
    "test": lambda row, value: _test_of(row) == value,
    "engine": lambda row, value: _engine_of(row) == value,
    "precision": lambda row, value: row.precision == value,
    "threads": lambda row, value: str(row.threads) == value,
    "since": lambda row, value: row.when >= value,
    "on": lambda row, value: row.when.startswith(value),
}
TIME_KEYS = frozenset({"since", "on"})
"""Keys that name no condition of a measurement, only when it was made."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A run's id (or its start), or what all results of a set have."""

    text: str
    run: str = ""
    conditions: Mapping[str, str] = {}

    def holds(self, row: Row) -> bool:
        """Whether that result is in the set."""
        return all(KEY_TESTS[key](row, value) for key, value in self.conditions.items())


def parse_side(text: str) -> Side:
    """A side as typed; raises ``WrongInput`` for anything else."""
    stripped = text.strip()
    if not stripped:
        raise WrongInput("a side of the comparison is empty", remedy=f"name {SIDE_EXAMPLE}")
    if "=" not in stripped:
        return Side(text=stripped, run=stripped)
    conditions: dict[str, str] = {}
    for part in stripped.split(","):
        key, value = _parse_pair(part, stripped)
        if key in conditions:
            raise WrongInput(f"'{stripped}' says {key} twice", remedy="give each key once")
        conditions[key] = value
    return Side(text=stripped, conditions=conditions)


def _parse_pair(part: str, whole: str) -> tuple[str, str]:
    key, equals, value = (word.strip() for word in part.partition("="))
    if not (key and equals and value):
        raise WrongInput(
            f"'{part.strip()}' in '{whole}' is not KEY=VALUE",
            remedy=f"keys are {', '.join(KEY_TESTS)}; join them by commas",
        )
    normalized = key.replace("-", "_").lower()
    if normalized not in KEY_TESTS:
        raise unknown_name("key", key, KEY_TESTS)
    return normalized, _parse_value(normalized, value)


def _parse_value(key: str, value: str) -> str:
    try:
        if key == "on":
            return date.fromisoformat(value).isoformat()
        if key == "since":
            return _parse_moment(value)
    except ValueError:
        raise WrongInput(
            f"{key}= takes a day, not '{value}'", remedy=f"for example {key}=2026-11-20"
        ) from None
    return value


def _parse_moment(text: str) -> str:
    """As a row's time is written, so that both can be compared as text."""
    at = datetime.fromisoformat(text)
    utc = at.astimezone(timezone.utc) if at.tzinfo else at
    return utc.replace(tzinfo=None).isoformat()


JOB_KEYS: Mapping[str, Callable[[Row], str]] = {
    "host": lambda row: row.host,
    "model": lambda row: row.model,
    "test": _test_of,
    "engine": _engine_of,
    "precision": lambda row: row.precision,
    "threads": lambda row: str(row.threads),
}
"""What makes two results measurements of the same job."""
PREFIX_KEYS: Mapping[str, Callable[[Row], str]] = {
    "build": lambda row: row.build,
    "model_key": lambda row: row.model_key,
}
"""Keys given by their start, which must be unique."""
MAX_LISTED = 12


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The results that count, and those left out as INVALID."""

    rows: Sequence[Row]
    left_out: Sequence[Row]


def select(side: Side, rows: Sequence[Row], runs: Sequence[str]) -> Selection:
    """The results of that side.

    ``rows`` are all there are, oldest first, and ``runs`` their ids in order. Raises
    ``WrongInput`` where nothing is meant, or more than one thing.
    """
    if side.run:
        run = resolve_run_id(side.run, runs)
        return _newest_believable(row for row in rows if row.run == run)
    selected = [row for row in rows if side.holds(row)]
    if not selected:
        raise _nothing_selected(side, rows)
    for key in PREFIX_KEYS.keys() & side.conditions.keys():
        _require_unambiguous(side, key, {PREFIX_KEYS[key](row) for row in selected})
    return _newest_believable(selected)


def job_key(row: Row) -> tuple[str, ...]:
    """What two results of one job have in common."""
    return tuple(value_of(row) for value_of in JOB_KEYS.values())


def describe_left_out(row: Row) -> str:
    """One line on a result that is INVALID."""
    reasons = [reason.text for reason in row.verdict.reasons if reason.grade == "INVALID"]
    return f"left out: {row.run} is INVALID{': ' if reasons else ''}{'; '.join(reasons)}"


def _newest_believable(rows: Iterable[Row]) -> Selection:
    """INVALID results without a later valid one of their job are listed as left out."""
    newest: dict[tuple[str, ...], Row] = {}
    doubtful: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if is_believable(row.verdict):
            newest[job_key(row)] = row
            doubtful.pop(job_key(row), None)
        else:
            doubtful.setdefault(job_key(row), []).append(row)
    left_out = [row for several in doubtful.values() for row in several]
    return Selection(rows=list(newest.values()), left_out=left_out)


def _require_unambiguous(side: Side, key: str, values: set[str]) -> None:
    start = side.conditions[key]
    if len(values) > 1 and start not in values:
        raise WrongInput(
            f"several of {key} begin with '{start}'",
            evidence="\n".join(sorted(values)),
            remedy="give more of it",
        )


def _nothing_selected(side: Side, rows: Sequence[Row]) -> WrongInput:
    """Names the first key that no result has, and the values that there are."""
    problem = f"no stored result is in '{side.text}'"
    for key, value in side.conditions.items():
        value_of = {**JOB_KEYS, **PREFIX_KEYS}.get(key)
        if value_of and not any(KEY_TESTS[key](row, value) for row in rows):
            values = sorted({value_of(row) for row in rows})
            return WrongInput(
                f"{problem}: no {key} is {value}{did_you_mean(value, values)}",
                remedy=f"there are results of {', '.join(values[:MAX_LISTED])}{_and_more(values)}",
            )
    return WrongInput(
        problem, remedy=f"{PROGRAM} history lists what there is; a side is {SIDE_EXAMPLE}"
    )


def _and_more(there: Sequence[str]) -> str:
    return f" and {len(there) - MAX_LISTED} more" if len(there) > MAX_LISTED else ""


class JobPair(NamedTuple):
    """The same job, measured on each side."""

    a: Row
    b: Row


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs together, what has no counterpart, and what is on both sides."""

    pairs: Sequence[JobPair]
    only_a: Sequence[Row]
    only_b: Sequence[Row]
    same: Sequence[Row]


def pair_results(a: Side, b: Side, of_a: Sequence[Row], of_b: Sequence[Row]) -> Pairing:
    """Bring results of one job together: model, precision asked for, threads and host.

    What is compared is not part of the job: with ``host=pi5-a`` against ``host=pi5-b`` the hosts
    differ in every pair. Raises ``WrongInput`` when a side then has several results of a job.
    """
    parts = [part for part in JOB_KEYS if part not in compared_parts(a, b, of_a, of_b)]
    left, right = _index_by_job(a, of_a, parts), _index_by_job(b, of_b, parts)
    both = [JobPair(left[job], right[job]) for job in left if job in right]
    return Pairing(
        pairs=[pair for pair in both if pair.a.run != pair.b.run],
        only_a=[row for job, row in left.items() if job not in right],
        only_b=[row for job, row in right.items() if job not in left],
        same=[pair.a for pair in both if pair.a.run == pair.b.run],
    )


def compared_parts(a: Side, b: Side, of_a: Sequence[Row], of_b: Sequence[Row]) -> set[str]:
    """The parts of a job that a set names, or two runs have, and that no result shares."""
    runs = bool(a.run and b.run)
    return {
        part
        for part, value_of in JOB_KEYS.items()
        if (runs or part in a.conditions or part in b.conditions)
        and {value_of(row) for row in of_a}.isdisjoint(value_of(row) for row in of_b)
    }


def _index_by_job(
    side: Side, rows: Sequence[Row], parts: Sequence[str]
) -> Mapping[tuple[str, ...], Row]:
    by_job = defaultdict[tuple[str, ...], list[Row]](list)
    for row in rows:
        by_job[tuple(JOB_KEYS[part](row) for part in parts)].append(row)
    for several in by_job.values():
        if len(several) > 1:
            raise _ambiguous_side(side, several, parts)
    return {job: row for job, (row,) in by_job.items()}


def _ambiguous_side(side: Side, several: Sequence[Row], parts: Collection[str]) -> WrongInput:
    for part in JOB_KEYS.keys() - set(parts):
        values = sorted({JOB_KEYS[part](row) for row in several})
        if len(values) > 1:
            return WrongInput(
                f"'{side.text}' means several of {part}: {', '.join(values)}",
                remedy=f"name one of them: {part}={values[0]}",
            )
    raise AssertionError(f"two results of one job: {several}")
