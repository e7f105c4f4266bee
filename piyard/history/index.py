"""The index: ``artifacts/results.sqlite``, a row a result, so that tables open no result.

At each use the names and stamps on disk are compared with it, and only what is new or changed is
read. It holds nothing that is not in the files: whatever is wrong with it, it is rebuilt.
Several piyards may use it at once: no lock is held while files are read, and a question is
answered from one state of the index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import TypeVar

import msgspec

from piyard import say
from piyard.history import found, maker, places
from piyard.history.catalogue import Catalogue
from piyard.history.entry import Entry, read
from piyard.history.found import Stamp

A = TypeVar("A")
Question = Callable[[Catalogue], A]
WAIT_S = 30.0
"""For another piyard that writes to it."""
IN_MEMORY = ":memory:"
HARM = (sqlite3.DatabaseError, msgspec.DecodeError, TypeError, ValueError)
"""Raised for damaged files: SQLite detects most damage, decoding the rest."""
MANY = 200
"""From so many files on, progress is shown."""


def ask(question: Question[A], *, rebuild: bool = False) -> A:
    """The answer of an up-to-date index; ``rebuild`` makes it from all files again.

    A damaged one is rebuilt. Where it cannot be written, a note says so, and every file is read
    into an index in memory.
    """
    if not places.index().parent.is_dir():  # a fresh checkout: nothing is stored, nor wrong
        return _answered(IN_MEMORY, question)
    if rebuild:
        remove()
    for repairable in (True, False):
        try:
            return _answered(str(places.index()), question)
        except HARM as error:
            if not repairable or isinstance(error, sqlite3.OperationalError):
                say.note(f"the index of results cannot be used ({error}): reading all result files")
                break
            say.note("the index of results is damaged: rebuilding it from their files")
            remove()
    return _answered(IN_MEMORY, question)


def remove() -> None:
    """Remove the index; the next query rebuilds it."""
    for name in (places.index().name, f"{places.index().name}-journal"):
        with suppress(OSError):
            places.index().with_name(name).unlink()


def _answered(place: str, question: Question[A]) -> A:
    mark = maker.mark()
    with closing(sqlite3.connect(place, timeout=WAIT_S, isolation_level=None)) as connection:
        catalogue = Catalogue(connection)
        while True:
            with _transaction(connection, "DEFERRED"):
                change = _change(catalogue, mark)
                if not change:
                    return question(catalogue)
            entries = _read(change.stale)
            with _transaction(connection, "IMMEDIATE"):
                if _brought_up(catalogue, change, entries, mark):
                    return question(catalogue)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How the files differ from what the index knows."""

    rebuild: bool
    stale: Mapping[str, Stamp]
    gone: Collection[str]

    def __bool__(self) -> bool:
        return self.rebuild or bool(self.stale) or bool(self.gone)


def _change(catalogue: Catalogue, mark: str) -> Change:
    """The index is read before the disk: what another piyard adds meanwhile stays."""
    rebuild = not catalogue.has_version(mark)
    indexed = {} if rebuild else catalogue.stamps()
    on_disk = found.stamps()
    stale = {run: stamp for run, stamp in on_disk.items() if indexed.get(run) != stamp}
    return Change(rebuild=rebuild, stale=stale, gone=indexed.keys() - on_disk.keys())


def _read(stale: Mapping[str, Stamp]) -> list[Entry]:
    shown = say.step(f"read {len(stale)} results", unit="results")
    with shown if len(stale) >= MANY else nullcontext() as progress:
        entries = []
        for run, stamp in sorted(stale.items()):
            entries.append(read(run, stamp))
            if progress:
                progress.update(len(entries), len(stale))
    return entries


def _brought_up(catalogue: Catalogue, change: Change, entries: list[Entry], mark: str) -> bool:
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
