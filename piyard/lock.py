"""File locks between threads and processes: the kernel releases one whatever happens to its holder.

The holder writes itself into the file, so that whoever waits can name it.
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
"""A longer wait is reported."""


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

    A wait of more than a second names the holder on standard error; Ctrl-C ends it.
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
    began, reported = time.monotonic(), ""
    while not _is_ours(handle):
        stop.check()
        if time.monotonic() > began + MOMENT_S and (holder := _holder(handle)) != reported:
            reported = holder
            say.note(f"waiting for {holder}, which holds {file}; Ctrl-C stops")
        time.sleep(PAUSE_S)


def _is_ours(handle: BinaryIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(handle: BinaryIO) -> None:
    """Write the holder into the file; on a full disk the lock is held all the same."""
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    holder = Holder(pid=os.getpid(), command=_command(), since=now)
    with suppress(OSError):
        handle.truncate(0)
        handle.write(msgspec.json.encode(holder))


def _command() -> str:
    """The command line of this process."""
    program, *arguments = sys.argv or [""]
    text = " ".join([Path(program).name, *arguments])[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _holder(handle: BinaryIO) -> str:
    """The holder that the file names; empty for a thread of our own."""
    handle.seek(0)
    try:
        holder = msgspec.json.decode(handle.read(10_000), type=Holder)
    except (msgspec.DecodeError, OSError):
        return "another process"  # of an older piyard, or on a full disk
    return "" if holder.pid == os.getpid() else str(holder)
