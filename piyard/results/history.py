"""The history of results: the index ``artifacts/results.sqlite``, a row a result, and queries.

The files are the truth. At each use their names and stamps on disk are compared with the index, and
only what is new or changed is read. The index holds nothing that is not in the files: it is rebuilt
whenever it is missing, damaged or of another version. A Row is derived from its Result by piyard's
code and from files beside it (limits of targets, models, prices of the inventory, published times,
evaluations), so all of these are its version. Several piyards may use it at once: no lock is held
while files are read, and a query is answered from one state of the index.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from piyard.core import console, paths
from piyard.core.errors import PROGRAM
from piyard.core.paths import IS_INSTALLED, PACKAGE
from piyard.results import index_db
from piyard.results.accuracies import EVALUATIONS_SHELF
from piyard.results.index_db import NO_RESULT, IndexEntry, ResultFilter, ResultIndex
from piyard.results.result import Result, Row
from piyard.results.result_files import FileStamp, index_file, scan_stamps

VERSIONED_FOLDERS = ("piyard", "targets", "models")


def index_version() -> str:
    """A digest that stays the same as long as rows would come out the same."""
    lines = "\n".join(
        sorted(line for folder in _versioned_folders() for line in _file_stamps(folder))
    )
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _versioned_folders() -> list[Path]:
    evaluations = paths.artifacts() / EVALUATIONS_SHELF
    beside = [PACKAGE] if IS_INSTALLED else []
    return [
        *beside,
        *(paths.ROOT / name for name in VERSIONED_FOLDERS),
        paths.config(),
        evaluations,
    ]


def _file_stamps(folder: Path) -> Iterator[str]:
    """Name, time and size are enough: a file is edited, or replaced by a checkout."""
    for place, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".pyc"):
                status = (Path(place) / name).stat()
                yield f"{place}/{name} {status.st_mtime_ns} {status.st_size}"


A = TypeVar("A")
IndexQuery = Callable[[ResultIndex], A]
INDEX_WAIT_S = 30.0
"""For another piyard that writes to it."""
IN_MEMORY = ":memory:"
DAMAGE_ERRORS = (sqlite3.DatabaseError, msgspec.DecodeError, TypeError, ValueError)
"""Raised for damaged files: SQLite detects most damage, decoding the rest."""
PROGRESS_FROM = 200
"""From so many files on, progress is shown."""


def query_index(question: IndexQuery[A], *, rebuild: bool = False) -> A:
    """The answer of an up-to-date index; ``rebuild`` makes it from all files again.

    A damaged one is rebuilt. Where it cannot be written, a note says so, and every file is read
    into an index in memory.
    """
    if not index_file().parent.is_dir():  # a fresh checkout: nothing is stored, nor wrong
        return _run_query(IN_MEMORY, question)
    if rebuild:
        remove_index()
    for repairable in (True, False):
        try:
            return _run_query(str(index_file()), question)
        except DAMAGE_ERRORS as error:
            if not repairable or isinstance(error, sqlite3.OperationalError):
                console.info(
                    f"the index of results cannot be used ({error}): reading all result files"
                )
                break
            console.info("the index of results is damaged: rebuilding it from their files")
            remove_index()
    return _run_query(IN_MEMORY, question)


def remove_index() -> None:
    """Remove the index; the next query rebuilds it."""
    for name in (index_file().name, f"{index_file().name}-journal"):
        with suppress(OSError):
            index_file().with_name(name).unlink()


def _run_query(place: str, question: IndexQuery[A]) -> A:
    mark = index_version()
    with closing(sqlite3.connect(place, timeout=INDEX_WAIT_S, isolation_level=None)) as connection:
        catalogue = ResultIndex(connection)
        while True:
            with _transaction(connection, "DEFERRED"):
                change = _find_change(catalogue, mark)
                if not change:
                    return question(catalogue)
            entries = _read_entries(change.stale)
            with _transaction(connection, "IMMEDIATE"):
                if _apply_change(catalogue, change, entries, mark):
                    return question(catalogue)


class IndexChange(msgspec.Struct, frozen=True, kw_only=True):
    """How the files differ from what the index knows."""

    rebuild: bool
    stale: Mapping[str, FileStamp]
    gone: Collection[str]

    def __bool__(self) -> bool:
        return self.rebuild or bool(self.stale) or bool(self.gone)


def _find_change(catalogue: ResultIndex, mark: str) -> IndexChange:
    """The index is read before the disk: what another piyard adds meanwhile stays."""
    rebuild = not catalogue.has_version(mark)
    indexed = {} if rebuild else catalogue.stamps()
    on_disk = scan_stamps()
    stale = {run: stamp for run, stamp in on_disk.items() if indexed.get(run) != stamp}
    return IndexChange(rebuild=rebuild, stale=stale, gone=indexed.keys() - on_disk.keys())


def _read_entries(stale: Mapping[str, FileStamp]) -> list[IndexEntry]:
    shown = console.step(f"read {len(stale)} results", unit="results")
    with shown if len(stale) >= PROGRESS_FROM else nullcontext() as progress:
        entries = []
        for run, stamp in sorted(stale.items()):
            entries.append(index_db.read_entry(run, stamp))
            if progress:
                progress.update(len(entries), len(stale))
    return entries


def _apply_change(
    catalogue: ResultIndex, change: IndexChange, entries: list[IndexEntry], mark: str
) -> bool:
    """Write the entries; False when another version of piyard emptied the index meanwhile."""
    emptied = not catalogue.has_version(mark)
    if emptied:
        catalogue.reset(mark)
    catalogue.delete(change.gone)
    catalogue.upsert(entries)
    return change.rebuild or not emptied


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.DatabaseError):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


ALL_RESULTS = ResultFilter()
MAX_LISTED_PROBLEMS = 10
"""Up to so many files that do not load are named, the others counted."""


def stored_rows(filters: ResultFilter = ALL_RESULTS) -> list[Row]:
    """The stored results that pass, oldest first; notes name those that do not load."""
    return query_history(lambda catalogue: catalogue.rows(filters))


def query_history(question: IndexQuery[A], *, rebuild: bool = False) -> A:
    """The answer of an up-to-date index; notes name what does not load."""

    def both(catalogue: ResultIndex) -> tuple[A, list[str]]:
        return question(catalogue), catalogue.problems()

    answer, all_problems = query_index(both, rebuild=rebuild)
    problems = [problem for problem in all_problems if problem != NO_RESULT]
    if lost := len(all_problems) - len(problems):
        many = (
            "1 run that failed or was cancelled has"
            if lost == 1
            else (f"{lost} runs that failed or were cancelled have")
        )
        console.info(
            f"{many} no result: {PROGRAM} runs lists them, runs --remove failed removes them"
        )
    for problem in problems[:MAX_LISTED_PROBLEMS]:
        console.info(f"left out: {problem}")
    if len(problems) > MAX_LISTED_PROBLEMS:
        console.info(f"left out: {len(problems) - MAX_LISTED_PROBLEMS} more")
    return answer


def newest_rows(of: Sequence[Row]) -> list[Row]:
    """The last row of each job, in the order the jobs first appeared."""
    return list({row.job: row for row in of}.values())


def stored_results(runs: Sequence[str]) -> Iterator[Result]:
    """The results of runs, read lazily; raises ``UnreadableLog``."""
    from piyard.results.result_files import load_result

    return (load_result(run) for run in runs)
