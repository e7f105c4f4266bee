"""The live lines of a terminal: what is done, how much of it, for how long, and the time left."""

from __future__ import annotations

import sys
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.table import Column
from rich.text import Text

OTHER_COLUMNS = 52
"""Characters of spinner, bar, amount and both times, with the spaces between them."""


class Amount(bars.ProgressColumn):
    """Bytes as MB, steps as a count; empty where the total is not known."""

    _bytes, _steps = bars.DownloadColumn(), bars.MofNCompleteColumn()

    def render(self, task: bars.Task) -> Any:
        """The column's text for one line."""
        if task.total is None:
            return ""
        column = self._bytes if task.fields["unit"] == "bytes" else self._steps
        return column.render(task)


class Remaining(bars.TimeRemainingColumn):
    """The estimated time left; empty where the total is not known."""

    def render(self, task: bars.Task) -> Any:
        """The column's text for one line."""
        return "" if task.total is None else super().render(task)


class Detail(bars.ProgressColumn):
    """The current detail, in the width that the other columns leave."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def render(self, task: bars.Task) -> Text:
        """The column's text for one line."""
        text = Text(task.fields["detail"])
        room = self._console.width - len(task.description) - OTHER_COLUMNS
        text.truncate(max(0, room), overflow="ellipsis")
        return text


def live_progress() -> bars.Progress:
    """The display on standard error; it disappears when it stops."""
    console = Console(stderr=True)
    return bars.Progress(
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(bar_width=16),
        Amount(),
        bars.TimeElapsedColumn(table_column=Column(min_width=len("0:00:00"), no_wrap=True)),
        Remaining(compact=True, table_column=Column(min_width=len("00:00"), no_wrap=True)),
        Detail(console),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # results for a file stay on their way
    )
