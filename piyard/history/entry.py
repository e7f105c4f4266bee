"""An entry of the index: a run's Row, or why there is none."""

from __future__ import annotations

import msgspec

from piyard.errors import UnreadableLog
from piyard.history.found import Stamp
from piyard.row import Row

BROKEN = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    *(RecursionError, msgspec.MsgspecError),
)
"""Raised for a header that is JSON but not nnrun's."""


NO_RESULT = "no result"
"""The problem of a run that failed or was cancelled: its files are in order."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it was when its stamp was taken."""

    run: str
    stamp: Stamp
    row: Row | None = None
    problem: str = ""
    """Why its result does not load; empty too for a run that is not a benchmark."""


def read(run: str, stamp: Stamp) -> Entry:
    """Read the run's result; what is wrong with it is in the entry, nothing is raised."""
    try:
        return Entry(run=run, stamp=stamp, row=_row(run, stamp))
    except _NoResult:
        problem = NO_RESULT
    except UnreadableLog as error:
        problem = error.what
    except BROKEN as error:
        problem = f"{run} holds something that nnrun does not write: {error!r}"
    return Entry(run=run, stamp=stamp, problem=problem)


class _NoResult(Exception):
    """The run gave none, and never will."""


def _row(run: str, stamp: Stamp) -> Row | None:
    from piyard import derive, result
    from piyard.history import shelf
    from piyard.run import SHELF, folder_of

    if stamp.shelf == SHELF:
        record = result.read_record(folder_of(run))
        if record.what.get("task") != "bench":
            return None
        if record.is_lost:
            raise _NoResult
    derived = derive.row(shelf.load(run))
    if derived.run != run:
        raise UnreadableLog(
            f"the result of {derived.run} is stored as that of {run}: was it renamed?"
        )
    # As the index keeps it.
    return msgspec.msgpack.decode(msgspec.msgpack.encode(derived), type=Row)
