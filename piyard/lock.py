"""Locks between threads and processes: the kernel lets go of one whatever happens to its holder.

Who holds one writes itself into its file, so that whoever waits can say for whom.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from piyard import say, stop

PAUSE_S = 0.1
MOMENT_S = 1.0
"""A wait as long as that is said."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The process that holds a lock."""

    pid: int
    command: str
    since: str
    """Local time of this machine, ISO 8601."""

    def __str__(self) -> str:
        return f"'{self.command}' (process {self.pid}, since {self.since})"


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Wait until nobody else holds the lock of that file, and hold it.

    A wait that is longer than a moment says on standard error who is waited for; Ctrl-C ends it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b", buffering=0) as handle:
        _wait(handle, file)
        _sign(handle)
        try:
            yield
        finally:
            with suppress(OSError):
                handle.truncate(0)


def _wait(handle: BinaryIO, file: Path) -> None:
    began, said = time.monotonic(), ""
    while not _is_ours(handle):
        stop.check()
        if time.monotonic() > began + MOMENT_S and (holder := _holder(handle)) != said:
            said = holder
            say.note(f"waiting for {holder}, which holds {file}; Ctrl-C stops")
        time.sleep(PAUSE_S)


def _is_ours(handle: BinaryIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(handle: BinaryIO) -> None:
    """Say who holds it; without room on the disk it is held all the same."""
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    ours = Holder(pid=os.getpid(), command=_command(), since=now)
    with suppress(OSError):
        handle.truncate(0)
        handle.write(msgspec.json.encode(ours))


def _command() -> str:
    """What this process was started with, as its user typed it."""
    program, *arguments = sys.argv or [""]
    typed = " ".join([Path(program).name, *arguments])[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in typed)


def _holder(handle: BinaryIO) -> str:
    """Who wrote itself into the file last; nothing for a thread of our own."""
    handle.seek(0)
    try:
        found = msgspec.json.decode(handle.read(10_000), type=Holder)
    except (msgspec.DecodeError, OSError):
        return "another process"  # of an older piyard, or on a full disk
    return "" if found.pid == os.getpid() else str(found)
