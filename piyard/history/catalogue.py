"""The tables of the index, and the queries they answer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from piyard.history.entry import Entry
from piyard.history.filters import Filters
from piyard.history.found import Stamp
from piyard.row import Row

TABLES = (
    "DROP TABLE IF EXISTS results",
    "DROP TABLE IF EXISTS made_by",
    """CREATE TABLE results (
        run TEXT PRIMARY KEY,
        shelf TEXT, mtime_ns INTEGER, size INTEGER, inode INTEGER,
        at TEXT, host TEXT, hardware TEXT, target TEXT, model TEXT,
        asked TEXT, data_type TEXT, threads INTEGER, build TEXT, state TEXT, median REAL,
        job TEXT, row BLOB, problem TEXT
    ) WITHOUT ROWID""",
    "CREATE INDEX by_time ON results (at, run)",
    "CREATE INDEX by_job ON results (job, at, run)",
    # Every use asks for all stamps, and none of the rows between them.
    "CREATE INDEX by_stamp ON results (run, shelf, mtime_ns, size, inode)",
    "CREATE TABLE made_by (mark TEXT)",
)
KEEP = """INSERT OR REPLACE INTO results VALUES
    (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
# An address like [::1]:22 is a name, though it looks like a glob.
PASSING = """WITH passing AS (
    SELECT * FROM results WHERE row IS NOT NULL AND at >= :since
    AND (:hosts = '[]' OR EXISTS (
        SELECT 1 FROM json_each(:hosts) WHERE host = value OR host GLOB value))
    AND (:models = '[]' OR EXISTS (
        SELECT 1 FROM json_each(:models) WHERE model = value OR model GLOB value)))"""
ALL = "SELECT row FROM passing ORDER BY at DESC, run DESC LIMIT :limit"
COUNT = "SELECT COUNT(*), COUNT(DISTINCT job) FROM passing"
NEWEST = """, placed AS (
    SELECT row,
        ROW_NUMBER() OVER (PARTITION BY job ORDER BY at DESC, run DESC) AS back,
        MIN(at || run) OVER (PARTITION BY job) AS first
    FROM passing)
    SELECT row FROM placed WHERE back = 1 ORDER BY first DESC LIMIT :limit"""
FORMER = """SELECT row FROM results
    WHERE job = ? AND row IS NOT NULL AND state != 'INVALID' AND (at, run) < (?, ?)
    ORDER BY at DESC, run DESC LIMIT 1"""
_decode = msgspec.msgpack.Decoder(Row).decode


class Catalogue:
    """An open index; it is only read and changed within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._ask = connection.execute
        self._many = connection.executemany

    def has_version(self, mark: str) -> bool:
        """Whether it was built with that code and configuration."""
        tables = self._ask("SELECT 1 FROM sqlite_master WHERE name = 'made_by'").fetchone()
        return bool(tables) and self._ask("SELECT mark FROM made_by").fetchall() == [(mark,)]

    def stamps(self) -> dict[str, Stamp]:
        """The stamp of each run's file when it was read."""
        rows = self._ask("SELECT run, shelf, mtime_ns, size, inode FROM results")
        return {run: Stamp(*stamp) for run, *stamp in rows}

    def reset(self, mark: str) -> None:
        """Drop everything."""
        for statement in TABLES:
            self._ask(statement)
        self._ask("INSERT INTO made_by VALUES (?)", [mark])

    def upsert(self, entries: Iterable[Entry]) -> None:
        """Add or replace runs."""
        self._many(KEEP, map(_columns, entries))

    def delete(self, runs: Iterable[str]) -> None:
        """Remove runs."""
        self._many("DELETE FROM results WHERE run = ?", [(run,) for run in runs])

    def problems(self) -> list[str]:
        """Why runs have no row, oldest first."""
        rows = self._ask("SELECT problem FROM results WHERE problem != '' ORDER BY run")
        return [problem for (problem,) in rows]

    def rows(self, filters: Filters) -> list[Row]:
        """What passes, oldest first; with ``newest`` in the order the jobs first appeared."""
        passing = self._passing(NEWEST if filters.newest else ALL, filters)
        return [_decode(row) for (row,) in reversed(passing)]

    def count(self, filters: Filters) -> int:
        """How many pass, whatever ``last`` says."""
        ((every, jobs),) = self._passing(COUNT, filters)
        return int(jobs if filters.newest else every)

    def previous(self, row: Row) -> Row | None:
        """The result of the same job before that one that is not INVALID."""
        previous = self._ask(FORMER, [_job(row), row.when, row.run]).fetchone()
        return _decode(previous[0]) if previous else None

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

    def _passing(self, question: str, filters: Filters) -> list[Any]:
        """The answer to a question about ``passing``."""
        names = {"hosts": filters.hosts, "models": filters.models}
        listed = {key: json.dumps(list(value)) for key, value in names.items()}
        values = {**listed, "since": filters.since, "limit": filters.last or -1}
        return self._ask(f"{PASSING} {question}", values).fetchall()


def _columns(entry: Entry) -> tuple[object, ...]:
    if (row := entry.row) is None:
        return (entry.run, *entry.stamp, *(None,) * 13, entry.problem)
    board = (row.when, row.host, row.hardware, row.target, row.model)
    settings = (row.precision, row.data_type, row.threads, row.build, row.verdict.state)
    derived = (row.summary.median, _job(row), msgspec.msgpack.encode(row), "")
    return (entry.run, *entry.stamp, *board, *settings, *derived)


def _job(row: Row) -> str:
    return "\n".join(row.job)
