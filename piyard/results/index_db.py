"""The tables of the index over stored results: what is kept, and the queries they answer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from piyard.core.errors import UnreadableLog, WrongInput
from piyard.results.derive import make_row
from piyard.results.result import Row
from piyard.results.result_files import FileStamp
from piyard.run.run_folders import RUNS_FOLDER, read_record, run_folder


class ResultFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions for a result to be shown; an empty one always holds."""

    hosts: Sequence[str] = ()
    """Names or globs of boards: one of them."""
    models: Sequence[str] = ()
    """The same of models."""
    since: str = ""
    """UTC, ISO 8601, or the start of it."""
    newest: bool = False
    """Only the last one of each job."""
    last: int = 0
    """Only so many of the newest; 0 for all."""


def parse_since(text: str) -> str:
    """The day or the moment of ``--since``, checked; an empty one stays empty."""
    try:
        if text:
            datetime.fromisoformat(text)
    except ValueError:
        raise WrongInput(
            f"--since takes a day, not '{text}'", remedy="for example --since 2026-11-01"
        ) from None
    return text.replace(" ", "T")


MALFORMED_ERRORS = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    *(RecursionError, msgspec.MsgspecError),
)
"""Raised for a header that is JSON but not nnrun's."""


NO_RESULT = "no result"
"""The problem of a run that failed or was cancelled: its files are in order."""


class IndexEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it was when its stamp was taken."""

    run: str
    stamp: FileStamp
    row: Row | None = None
    problem: str = ""
    """Why its result does not load; empty too for a run that is not a benchmark."""


def read_entry(run: str, stamp: FileStamp) -> IndexEntry:
    """Read the run's result; what is wrong with it is in the entry, nothing is raised."""
    try:
        return IndexEntry(run=run, stamp=stamp, row=_read_row(run, stamp))
    except _NoResult:
        problem = NO_RESULT
    except UnreadableLog as error:
        problem = error.what
    except MALFORMED_ERRORS as error:
        problem = f"{run} holds something that nnrun does not write: {error!r}"
    return IndexEntry(run=run, stamp=stamp, problem=problem)


class _NoResult(Exception):
    """The run gave none, and never will."""


def _read_row(run: str, stamp: FileStamp) -> Row | None:
    from piyard.results.result_files import load_result

    if stamp.folder == RUNS_FOLDER:
        record = read_record(run_folder(run))
        if record.what.task != "bench":
            return None
        if record.is_lost:
            raise _NoResult
    derived = make_row(load_result(run))
    if derived.run != run:
        raise UnreadableLog(
            f"the result of {derived.run} is stored as that of {run}: was it renamed?"
        )
    # As the index keeps it.
    return msgspec.msgpack.decode(msgspec.msgpack.encode(derived), type=Row)


TABLES_SQL = (
    "DROP TABLE IF EXISTS results",
    "DROP TABLE IF EXISTS made_by",
    """CREATE TABLE results (
        run TEXT PRIMARY KEY,
        folder TEXT, mtime_ns INTEGER, size INTEGER, inode INTEGER,
        at TEXT, host TEXT, hardware TEXT, target TEXT, model TEXT,
        asked TEXT, data_type TEXT, threads INTEGER, build TEXT, state TEXT, median REAL,
        job TEXT, row BLOB, problem TEXT
    ) WITHOUT ROWID""",
    "CREATE INDEX by_time ON results (at, run)",
    "CREATE INDEX by_job ON results (job, at, run)",
    # Every use asks for all stamps, and none of the rows between them.
    "CREATE INDEX by_stamp ON results (run, folder, mtime_ns, size, inode)",
    "CREATE TABLE made_by (mark TEXT)",
)
INSERT_SQL = """INSERT OR REPLACE INTO results VALUES
    (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
# An address like [::1]:22 is a name, though it looks like a glob.
PASSING_SQL = """WITH passing AS (
    SELECT * FROM results WHERE row IS NOT NULL AND at >= :since
    AND (:hosts = '[]' OR EXISTS (
        SELECT 1 FROM json_each(:hosts) WHERE host = value OR host GLOB value))
    AND (:models = '[]' OR EXISTS (
        SELECT 1 FROM json_each(:models) WHERE model = value OR model GLOB value)))"""
ALL_SQL = "SELECT row FROM passing ORDER BY at DESC, run DESC LIMIT :limit"
COUNT_SQL = "SELECT COUNT(*), COUNT(DISTINCT job) FROM passing"
NEWEST_SQL = """, placed AS (
    SELECT row,
        ROW_NUMBER() OVER (PARTITION BY job ORDER BY at DESC, run DESC) AS back,
        MIN(at || run) OVER (PARTITION BY job) AS first
    FROM passing)
    SELECT row FROM placed WHERE back = 1 ORDER BY first DESC LIMIT :limit"""
FORMER_SQL = """SELECT row FROM results
    WHERE job = ? AND row IS NOT NULL AND state != 'INVALID' AND (at, run) < (?, ?)
    ORDER BY at DESC, run DESC LIMIT 1"""
_decode_row = msgspec.msgpack.Decoder(Row).decode


class ResultIndex:
    """An open index; it is only read and changed within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._ask = connection.execute
        self._many = connection.executemany

    def has_version(self, mark: str) -> bool:
        """Whether it was built with that code and configuration."""
        tables = self._ask("SELECT 1 FROM sqlite_master WHERE name = 'made_by'").fetchone()
        return bool(tables) and self._ask("SELECT mark FROM made_by").fetchall() == [(mark,)]

    def stamps(self) -> dict[str, FileStamp]:
        """The stamp of each run's file when it was read."""
        rows = self._ask("SELECT run, folder, mtime_ns, size, inode FROM results")
        return {run: FileStamp(*stamp) for run, *stamp in rows}

    def reset(self, mark: str) -> None:
        """Drop everything."""
        for statement in TABLES_SQL:
            self._ask(statement)
        self._ask("INSERT INTO made_by VALUES (?)", [mark])

    def upsert(self, entries: Iterable[IndexEntry]) -> None:
        """Add or replace runs."""
        self._many(INSERT_SQL, map(_column_values, entries))

    def delete(self, runs: Iterable[str]) -> None:
        """Remove runs."""
        self._many("DELETE FROM results WHERE run = ?", [(run,) for run in runs])

    def problems(self) -> list[str]:
        """Why runs have no row, oldest first."""
        rows = self._ask("SELECT problem FROM results WHERE problem != '' ORDER BY run")
        return [problem for (problem,) in rows]

    def rows(self, filters: ResultFilter) -> list[Row]:
        """What passes, oldest first; with ``newest`` in the order the jobs first appeared."""
        passing = self._passing(NEWEST_SQL if filters.newest else ALL_SQL, filters)
        return [_decode_row(row) for (row,) in reversed(passing)]

    def count(self, filters: ResultFilter) -> int:
        """How many pass, whatever ``last`` says."""
        ((every, jobs),) = self._passing(COUNT_SQL, filters)
        return int(jobs if filters.newest else every)

    def previous(self, row: Row) -> Row | None:
        """The result of the same job before that one that is not INVALID."""
        previous = self._ask(FORMER_SQL, [_job_key(row), row.when, row.run]).fetchone()
        return _decode_row(previous[0]) if previous else None

    def runs(self) -> list[str]:
        """The ids of all results, in order."""
        rows = self._ask("SELECT run FROM results WHERE row IS NOT NULL ORDER BY run")
        return [run for (run,) in rows]

    def hosts(self) -> list[str]:
        """All boards that have a result."""
        rows = self._ask("SELECT DISTINCT host FROM results WHERE row IS NOT NULL ORDER BY host")
        return [host for (host,) in rows]

    def models(self) -> list[str]:
        """All models that have a result."""
        rows = self._ask("SELECT DISTINCT model FROM results WHERE row IS NOT NULL ORDER BY model")
        return [model for (model,) in rows]

    def _passing(self, question: str, filters: ResultFilter) -> list[Any]:
        """The answer to a question about ``passing``."""
        names = {"hosts": filters.hosts, "models": filters.models}
        listed = {key: json.dumps(list(value)) for key, value in names.items()}
        values = {**listed, "since": filters.since, "limit": filters.last or -1}
        return self._ask(f"{PASSING_SQL} {question}", values).fetchall()


def _column_values(entry: IndexEntry) -> tuple[object, ...]:
    if (row := entry.row) is None:
        return (entry.run, *entry.stamp, *(None,) * 13, entry.problem)
    board = (row.when, row.host, row.hardware, row.target, row.model)
    settings = (row.precision, row.data_type, row.threads, row.build, row.verdict.state)
    derived = (row.summary.median, _job_key(row), msgspec.msgpack.encode(row), "")
    return (entry.run, *entry.stamp, *board, *settings, *derived)


def _job_key(row: Row) -> str:
    return "\n".join(row.job)
