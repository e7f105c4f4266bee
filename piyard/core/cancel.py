"""Waiting, Ctrl-C, and how a command ends.

Threads stop at their next check; a command that Ctrl-C, a closed pipe or a full disk interrupts
ends in one line, with the right exit code.

"""

from __future__ import annotations

import atexit
import errno
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TextIO, TypeVar

from invoke.exceptions import Exit

_request = threading.Event()


def request() -> None:
    """Let all threads stop at their next check."""
    _request.set()


def reset() -> None:
    """Forget an earlier request."""
    _request.clear()


def requested() -> bool:
    """Whether cancelling was requested."""
    return _request.is_set()


def raise_if_requested() -> None:
    """Raise ``KeyboardInterrupt``, in any thread, once cancelling was requested."""
    if _request.is_set():
        raise KeyboardInterrupt


STOPPED_TEXT = "piyard: stopped by Ctrl-C"
EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 130, 141
"""A shell's exit codes for a program that SIGINT or SIGPIPE ended."""


def install_exit_hooks() -> None:
    """Install the hooks. Invoke runs tasks itself, so there is no other place for it."""
    sys.excepthook = _exit_hook
    atexit.unregister(_flush_output)  # called from tasks.py and from __main__
    atexit.register(_flush_output)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C in the block ends the command, in one line and with the shell's exit code for it."""
    try:
        yield
    except KeyboardInterrupt:
        raise Exit(STOPPED_TEXT, EXIT_INTERRUPTED) from None


def _exit_hook(
    type_: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """The hook for uncaught exceptions; Python exits with the code of a ``SystemExit`` from it."""
    if (code := _exit_code(error)) is None:
        sys.__excepthook__(type_, error, traceback)
        return
    raise SystemExit(code)


def _exit_code(error: BaseException) -> int | None:
    """The exit code, after printing the error's line; None for a bug in piyard."""
    if isinstance(error, KeyboardInterrupt):
        _print_error(STOPPED_TEXT)
        return EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError) and _drop_closed_streams():
        return EXIT_BROKEN_PIPE
    return _disk_exit_code(error) if isinstance(error, OSError) else None


def _disk_exit_code(error: OSError) -> int | None:
    """The same for a disk error of this machine."""
    from piyard.core.files import disk_error  # with tarfile and hashlib, which --list needs not

    if trouble := disk_error(_name_stdout(error)):
        _print_error(str(trouble))
        return trouble.exit_code
    return None


def _flush_output() -> None:
    """Flush standard output while a failure can still be reported."""
    if error := _flush_error():
        code = _exit_code(error)
        _redirect_to_null(sys.stdout)
        os._exit(1 if code is None else code)


def _flush_error(more: str = "") -> OSError | None:
    """The error when standard output, with ``more`` appended, cannot be flushed."""
    try:
        print(end=more, flush=True)
    except OSError as error:
        error.filename = "standard output"
        return error
    return None


def _name_stdout(error: OSError) -> OSError:
    """A full disk without a path may be standard output's: printing one more line shows it."""
    unnamed = error.filename is None and error.errno in {errno.ENOSPC, errno.EDQUOT}
    if unnamed and (stdout_error := _flush_error("\n")):
        _redirect_to_null(sys.stdout)
        return stdout_error
    return error


def _print_error(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _drop_closed_streams() -> bool:
    """Whether the reader of standard output or error went away."""
    closed = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    for stream in closed:
        _redirect_to_null(stream)
    return bool(closed)


def _is_closed(stream: TextIO) -> bool:
    poller = select.poll()
    poller.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poller.poll(0))


def _redirect_to_null(stream: TextIO) -> None:
    """Send what is left in the buffer to /dev/null: the interpreter would fail on it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


T = TypeVar("T")


def wait_until(probe: Callable[[], T | None], limit_s: float, pause_s: float = 0.1) -> T | None:
    """The first result of ``probe`` that is not None, or None after ``limit_s`` seconds."""
    end = time.monotonic() + limit_s
    while True:
        if (answer := probe()) is not None:
            return answer
        if time.monotonic() + pause_s > end:
            return None
        time.sleep(pause_s)


class TemporaryError(Exception):
    """An attempt failed for a reason that may pass."""


def with_retries(
    attempt: Callable[[], T],
    attempts: int,
    pause_s: float,
    report: Callable[[str], None] = lambda _: None,
) -> T:
    """What the first attempt gives that succeeds; raises ``TemporaryError`` after the last.

    ``report`` gets each failure; the pause doubles with each one. urllib3's own Retry ends where a
    body begins: what breaks off in the middle, and resumes there, would need this loop besides.
    """
    reason = ""
    for number in range(attempts):
        if number:
            time.sleep(pause_s * 2 ** (number - 1))
        try:
            return attempt()
        except TemporaryError as error:
            reason = str(error)
            report(f"{reason}; attempt {number + 1} of {attempts}")
    raise TemporaryError(f"{reason}; tried {attempts} times")
