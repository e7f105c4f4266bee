"""How a command ends that something interrupts: in one line or none, with the right exit code.

Invoke prints piyard's own errors. What reaches the interpreter besides is Ctrl-C, a pipe whose
reader went away, or a disk of this machine. Anything else is a fault of piyard's: a traceback.
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
"""As a shell tells of a program that SIGINT or SIGPIPE ended."""


def install() -> None:
    """Have the interpreter end so. Invoke runs tasks itself, so there is no other place for it."""
    sys.excepthook = _end
    atexit.unregister(_end_output)  # two ways lead here
    atexit.register(_end_output)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C in the block ends the command, in one line and with the shell's exit code for it."""
    try:
        yield
    except KeyboardInterrupt:
        raise Exit(STOPPED, INTERRUPTED) from None


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The hook for what nobody caught; Python leaves with the code of a ``SystemExit`` in it."""
    if (code := _code(error)) is None:
        sys.__excepthook__(kind, error, trace)
        return
    raise SystemExit(code)


def _code(error: BaseException) -> int | None:
    """The exit code, after saying what there is to say; None for a fault of piyard's."""
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
    """Write out what was printed while a failure can still be told."""
    if error := _unwritten():
        code = _code(error)
        _forget(sys.stdout)
        os._exit(1 if code is None else code)


def _unwritten(more: str = "") -> OSError | None:
    """Why what was printed, and more of it, cannot be written out."""
    try:
        print(end=more, flush=True)
    except OSError as error:
        error.filename = "standard output"
        return error
    return None


def _placed(error: OSError) -> OSError:
    """A full disk without a name may be the one that is printed to: another line tells."""
    unnamed = error.filename is None and error.errno in disk.FULL
    if unnamed and (again := _unwritten("\n")):
        _forget(sys.stdout)
        return again
    return error


def _say(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _forget_closed_streams() -> bool:
    """Whether standard output or error was closed at the other end."""
    closed = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    for stream in closed:
        _forget(stream)
    return bool(closed)


def _is_closed(stream: TextIO) -> bool:
    seen = select.poll()
    seen.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in seen.poll(0))


def _forget(stream: TextIO) -> None:
    """What is left to be written goes nowhere: the interpreter would complain of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
