"""Messages, steps and progress for the user: on stderr, never on stdout.

One live display serves all threads. A thread may have a line of its own (a board's), where its
steps are shown one after the other.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

from piyard.core.text import sanitize_line, sanitize_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


MIN_INTERVAL_S = 1
"""Between two lines about the same work, without a terminal."""
HEARTBEAT_S = 60
"""Between two lines about work without a known total, without a terminal."""

_thread = threading.local()
_guard = threading.RLock()


class _NoProgress:
    """The display where there is no terminal: it shows nothing, and loads nothing."""

    tasks: ClassVar[list[Any]] = []

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def add_task(self, _title: str, **_fields: Any) -> int:
        return 0

    def update(self, _task: int, **_fields: Any) -> None: ...
    def reset(self, _task: int, **_fields: Any) -> None: ...
    def remove_task(self, _task: int) -> None: ...


class _Display:
    """The live lines at the bottom of the terminal, shown while there is at least one."""

    def __init__(self) -> None:
        self._users = 0
        self.progress: Progress | _NoProgress | None = None

    def open(self) -> Any:
        with _guard:
            if self.progress is None:
                self.progress = _live_progress() if sys.stderr.isatty() else _NoProgress()
                self.progress.start()
            self._users += 1
            return self.progress

    def close(self) -> None:
        with _guard:
            self._users -= 1
            if self._users == 0 and self.progress:
                self.progress.stop()
                self.progress = None


_display = _Display()


def _live_progress() -> Progress:
    from piyard.core.progress import live_progress

    return live_progress()


def info(text: str) -> None:
    """Print a line for the user, above the live lines."""
    text = sanitize_text(text)
    with _guard:
        live = _display.progress
        if live and not isinstance(live, _NoProgress):
            live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            with suppress(OSError):  # without a reader the work goes on
                print(text, file=sys.stderr, flush=True)


class Step:
    """A piece of long work; ``update`` moves its progress."""

    def __init__(self, title: str, progress: Progress | _NoProgress, task: TaskID) -> None:
        self._progress, self._task = progress, task
        self._log = StepLog(title) if isinstance(progress, _NoProgress) else None
        self.ok = True
        """Set to False by work that failed without raising."""
        self.outcome = ""
        """Added to the title in the line at the end."""

    def update(self, done: float, total: float | None, detail: str = "") -> None:
        """Set how much is done; with an unknown total only activity is shown."""
        text = sanitize_line(detail)
        self._progress.update(self._task, completed=done, total=total, detail=text)
        if self._log:
            self._log.update(done, total)

    def resume(self, done: int) -> None:
        """Say how much was done before the step began: the time left is told by the rest alone."""
        self._progress.reset(self._task, completed=done)
        if self._log:
            self._log.begun = done

    def phase(self, number: int, count: int, name: str) -> None:
        """Show which of so many phases begins, where nothing finer can be counted."""
        self._progress.update(self._task, completed=number - 1, total=count, detail=name)
        if self._log:
            self._log.phase(f"{name} [{number}/{count}]")


class StepLog:
    """A step without a terminal: a line when it begins and at every further tenth.

    Tenths that follow within a second are skipped. Without a known total, a line a minute shows
    that work goes on.
    """

    def __init__(self, title: str, write: Callable[[str], None] | None = None) -> None:
        self._title, self._write = title, write or info
        self._start = self._last = time.monotonic()
        self._tenths = 0
        self.begun = 0.0
        """How much was done before."""
        self._write(f"… {title}")

    def update(self, done: float, total: float | None) -> None:
        """Write a line if one is due."""
        now = time.monotonic()
        if not total:
            if now - self._last >= HEARTBEAT_S:
                self._last = now
                self._write(f"… {self._title}: {now - self._start:.0f} s")
            return
        tenths = int(10 * done / total)
        is_due = self._tenths < tenths < 10 and now - self._last >= MIN_INTERVAL_S
        if not is_due or done <= self.begun:
            return
        self._tenths, self._last = tenths, now
        spent = now - self._start
        left = spent * (total - done) / (done - self.begun)
        self._write(f"… {self._title}: {10 * tenths} %, {spent:.0f} s, about {left:.0f} s left")

    def phase(self, name: str) -> None:
        """Write a line about the phase that begins."""
        self._write(f"… {self._title}: {name}")


@contextmanager
def live_line(name: str) -> Iterator[None]:
    """In this thread, steps share one live line that begins with that name."""
    progress = _display.open()
    _thread.task = progress.add_task(sanitize_line(name), total=None, detail="", unit="steps")
    _thread.name = name
    try:
        yield
    finally:
        progress.remove_task(_thread.task)
        del _thread.task, _thread.name
        _display.close()


@contextmanager
def step(title: str, *, unit: str = "steps") -> Iterator[Step]:
    """A live progress line while the work runs, then the line ``✓ title 12.3 s``."""
    start = time.monotonic()
    title = f"{getattr(_thread, 'job', '')}{title}"
    with _task(title, unit) as (progress, task):
        work = Step(title, progress, task)
        yield work
    outcome = f", {work.outcome}" if work.outcome else ""
    info(f"{'✓' if work.ok else '✗'} {title} {time.monotonic() - start:.1f} s{outcome}")


@contextmanager
def job_prefix(number: int, count: int) -> Iterator[None]:
    """In this thread, the titles of steps begin with the job's number."""
    if count > 1:
        _thread.job = f"job {number} of {count}: "
    try:
        yield
    finally:
        _thread.job = ""


@contextmanager
def _task(title: str, unit: str) -> Iterator[tuple[Progress, TaskID]]:
    progress = _display.open()
    shared = getattr(_thread, "task", None)
    fresh: dict[str, object] = {"total": None, "detail": "", "unit": unit}
    task = progress.add_task(sanitize_line(title), **fresh) if shared is None else shared
    if shared is not None:
        _reset_line(
            progress, task, title if _thread.name in title else f"{_thread.name}: {title}", unit
        )
    try:
        yield progress, task
    finally:
        if shared is None:
            progress.remove_task(task)
        else:
            _reset_line(progress, task, _thread.name, "steps")
        _display.close()


def _reset_line(progress: Progress | _NoProgress, task: TaskID, title: str, unit: str) -> None:
    """Reuse a line for another step; rich's own reset keeps the old total."""
    for line_task in progress.tasks:
        if line_task.id == task:
            line_task.total = None
    progress.reset(task, description=sanitize_line(title), detail="", unit=unit)
