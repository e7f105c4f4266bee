"""How an interrupted command ends: in one line or none, with the right exit code.

Invoke prints piyard's own errors. What else reaches the interpreter is Ctrl-C, a pipe whose reader
went away, or a disk error of this machine. Anything else is a bug in piyard: a traceback.
"""

from __future__ import annotations

import atexit
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TextIO

from invoke.exceptions import Exit

from piyard import disk

STOPPED = "piyard: stopped by Ctrl-C"
INTERRUPTED, NO_READER = 130, 141
"""A shell's exit codes for a program that SIGINT or SIGPIPE ended."""


def install() -> None:
    """Install the hooks. Invoke runs tasks itself, so there is no other place for it."""
    sys.excepthook = _end
    atexit.unregister(_end_output)  # called from tasks.py and from __main__
    atexit.register(_end_output)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C in the block ends the command, in one line and with the shell's exit code for it."""
    try:
        yield
    except KeyboardInterrupt:
        raise Exit(STOPPED, INTERRUPTED) from None


def _end(type_: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """The hook for uncaught exceptions; Python exits with the code of a ``SystemExit`` from it."""
    if (code := _code(error)) is None:
        sys.__excepthook__(type_, error, traceback)
        return
    raise SystemExit(code)


def _code(error: BaseException) -> int | None:
    """The exit code, after printing the error's line; None for a bug in piyard."""
    if isinstance(error, KeyboardInterrupt):
        _say(STOPPED)
        return INTERRUPTED
    if isinstance(error, BrokenPipeError) and _forget_closed_streams():
        return NO_READER
    if isinstance(error, OSError) and (trouble := disk.trouble(_placed(error))):
        _say(str(trouble))
        return trouble.exit_code
    return None


def _end_output() -> None:
    """Flush standard output while a failure can still be reported."""
    if error := _unwritten():
        code = _code(error)
        _forget(sys.stdout)
        os._exit(1 if code is None else code)


def _unwritten(more: str = "") -> OSError | None:
    """The error when standard output, with ``more`` appended, cannot be flushed."""
    try:
        print(end=more, flush=True)
    except OSError as error:
        error.filename = "standard output"
        return error
    return None


def _placed(error: OSError) -> OSError:
    """A full disk without a path may be standard output's: printing one more line shows it."""
    unnamed = error.filename is None and error.errno in disk.FULL
    if unnamed and (stdout_error := _unwritten("\n")):
        _forget(sys.stdout)
        return stdout_error
    return error


def _say(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _forget_closed_streams() -> bool:
    """Whether the reader of standard output or error went away."""
    closed = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    for stream in closed:
        _forget(stream)
    return bool(closed)


def _is_closed(stream: TextIO) -> bool:
    poller = select.poll()
    poller.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poller.poll(0))


def _forget(stream: TextIO) -> None:
    """Send what is left in the buffer to /dev/null: the interpreter would fail on it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
