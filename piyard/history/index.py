"""The index: ``artifacts/results.sqlite``, a row a result, so that tables open no result.

At each use the names and stamps on disk are compared with it, and only what is new or changed is
read. It holds nothing that is not in the files: whatever is wrong with it, it is made again.
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
from piyard.history import entry, found, maker, places
from piyard.history.catalogue import Catalogue
from piyard.history.entry import Entry
from piyard.history.found import Stamp

A = TypeVar("A")
Question = Callable[[Catalogue], A]
WAIT_S = 30.0
"""For another piyard that writes to it."""
IN_MEMORY = ":memory:"
HARM = (sqlite3.DatabaseError, msgspec.DecodeError, TypeError, ValueError)
"""What changed bytes lead to: SQLite sees most of them, a wrong type or letter the others."""
MANY = 200
"""Files whose reading takes long enough to show it."""


def ask(question: Question[A], *, anew: bool = False) -> A:
    """The answer of an index that is as new as the files; ``anew`` makes it from all of them.

    A damaged one is made again. Where it cannot be written, that is said, and every file is read
    into a passing one.
    """
    if not places.index().parent.is_dir():  # a fresh checkout: nothing is stored, nor wrong
        return _answered(IN_MEMORY, question)
    if anew:
        remove()
    for mendable in (True, False):
        try:
            return _answered(str(places.index()), question)
        except HARM as error:
            if not mendable or isinstance(error, sqlite3.OperationalError):
                say.note(f"the index of results cannot be used ({error}): all of them are read")
                break
            say.note("the index of results is damaged: it is made again from their files")
            remove()
    return _answered(IN_MEMORY, question)


def remove() -> None:
    """Forget the index; the next question makes it again."""
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

    anew: bool
    stale: Mapping[str, Stamp]
    gone: Collection[str]

    def __bool__(self) -> bool:
        return self.anew or bool(self.stale) or bool(self.gone)


def _change(catalogue: Catalogue, mark: str) -> Change:
    """What is known is read before what is there: what another piyard adds meanwhile stays."""
    anew = not catalogue.is_made_by(mark)
    indexed = {} if anew else catalogue.stamps()
    on_disk = found.stamps()
    stale = {run: stamp for run, stamp in on_disk.items() if indexed.get(run) != stamp}
    return Change(anew=anew, stale=stale, gone=indexed.keys() - on_disk.keys())


def _read(stale: Mapping[str, Stamp]) -> list[Entry]:
    shown = say.step(f"read {len(stale)} results", unit="results")
    with shown if len(stale) >= MANY else nullcontext() as progress:
        entries = []
        for run, stamp in sorted(stale.items()):
            entries.append(entry.read(run, stamp))
            if progress:
                progress.update(len(entries), len(stale))
    return entries


def _brought_up(catalogue: Catalogue, change: Change, entries: list[Entry], mark: str) -> bool:
    """Write what was read; False when another make of piyard emptied the index meanwhile."""
    emptied = not catalogue.is_made_by(mark)
    if emptied:
        catalogue.empty(mark)
    catalogue.forget(change.gone)
    catalogue.keep(entries)
    return change.anew or not emptied


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
