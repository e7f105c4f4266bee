"""What a person sees while piyard works: steps and progress on stderr, never on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def note(text: str) -> None:
    """One line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


class Step:
    """A piece of long work; ``update`` moves its progress."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None, detail="")
        self.well = True
        """Set to False by work that ended badly without raising."""

    def update(self, done: float, total: float | None, detail: str = "") -> None:
        """Set how much is done; an unknown total shows motion only."""
        self._progress.update(self._task, completed=done, total=total, detail=detail)


@contextmanager
def step(title: str, *, unit: str = "steps") -> Iterator[Step]:
    """A live progress line while the work runs, one ``✓ title 12.3 s`` when it ends well."""
    start = time.monotonic()
    with _progress(unit) as progress:
        work = Step(progress, title)
        yield work
    note(f"{'✓' if work.well else '✗'} {title} {time.monotonic() - start:.1f} s")


def _progress(unit: str) -> Progress:
    from rich import progress as bars
    from rich.console import Console

    amount = bars.DownloadColumn() if unit == "bytes" else bars.MofNCompleteColumn()
    console = Console(stderr=True)
    return bars.Progress(
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(bar_width=24),
        amount,
        bars.TimeElapsedColumn(),
        bars.TextColumn("{task.fields[detail]}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
