"""What the page is filled with: every row, and the samples of the newest of each job."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone

import msgspec

from piyard.report import provenance, timeline
from piyard.report.again import command
from piyard.report.columns import COLUMNS, cells
from piyard.report.provenance import Group
from piyard.report.timeline import Timeline
from piyard.result import Result
from piyard.row import Row

PER_ROW, PER_PAGE = 1000, 180_000
"""Samples that a page carries: of one row, and of all together. More would open slowly."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the page."""

    row: Row
    cells: Sequence[str]
    keys: Sequence[str | float | None]
    """What to sort each column by; Comments by its text."""
    accuracy: float | None
    measure: str
    """What the accuracy is of: only equal ones can be compared."""
    newest: bool
    """Whether no later row of the same job is there."""
    command: str
    """Quoted for a shell."""
    provenance: Sequence[int]
    """Which of the page's groups."""
    samples: Sequence[float]
    """Milliseconds, to the microsecond."""
    every: int
    """1 for all samples, 3 for each third."""
    ends: Sequence[float]
    """When each of them ended, on the timeline's clock."""
    clocked: bool
    """Whether ``ends`` were logged, not derived from the samples themselves."""
    timeline: Timeline | None


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """All data of a page."""

    created: str
    columns: Sequence[str]
    entries: Sequence[Entry]
    groups: Sequence[Group]
    """Provenance, each once: most rows share build and board."""
    without_samples: int
    """Rows that bring none: older ones of a job, and what there was no room for."""


class _Shelf:
    """Things kept once each, found again by their number."""

    def __init__(self) -> None:
        self._number: dict[bytes, int] = {}
        self.groups: list[Group] = []

    def put(self, group: Group) -> int:
        key = msgspec.json.encode(group)
        if key not in self._number:
            self._number[key] = len(self.groups)
            self.groups.append(group)
        return self._number[key]


def payload(rows: Sequence[Row], results: Sequence[Result]) -> Payload:
    """The data of the page for these rows, in their order."""
    of_run = {result.record.id: result for result in results}
    newest = {row.job: row.run for row in sorted(rows, key=lambda row: row.when)}
    carrying = _carrying(rows, of_run, set(newest.values()))
    several = len({row.host for row in rows}) > 1
    shelf = _Shelf()
    entries = [
        _entry(
            row,
            of_run.get(row.run),
            shelf,
            named=several,
            newest=newest[row.job] == row.run,
            whole=row.run in carrying,
        )
        for row in rows
    ]
    return Payload(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        columns=COLUMNS,
        entries=entries,
        groups=shelf.groups,
        without_samples=sum(row.run not in carrying for row in rows),
    )


def _carrying(rows: Sequence[Row], of_run: dict[str, Result], newest: set[str]) -> set[str]:
    """The runs whose samples the page has room for, later ones first."""
    room, carrying = PER_PAGE, set()
    for row in sorted(rows, key=lambda row: row.when, reverse=True):
        if row.run not in newest or row.run not in of_run:
            continue
        room -= min(PER_ROW, len(of_run[row.run].samples_ms))
        if room >= 0:
            carrying.add(row.run)
    return carrying


def _entry(
    row: Row, result: Result | None, shelf: _Shelf, *, named: bool, newest: bool, whole: bool
) -> Entry:
    samples = result.samples_ms if result and whole else []
    every = -(-len(samples) // PER_ROW) or 1
    accuracy, measure = _accuracy(row)
    return Entry(
        row=row,
        cells=cells(row, named=named),
        keys=_keys(row, accuracy),
        accuracy=accuracy,
        measure=measure,
        newest=newest,
        command=shlex.join(command(row, result)),
        provenance=[shelf.put(group) for group in provenance.groups(row, result)],
        samples=[round(ms, 3) for ms in samples[::every]],
        every=every,
        ends=timeline.ends(result)[::every] if result and whole else [],
        clocked=bool(result and timeline.knows_times(result)),
        timeline=timeline.of(result) if result and whole else None,
    )


def _keys(row: Row, accuracy: float | None) -> list[str | float | None]:
    sides = row.input[1:]
    return [
        row.hardware,
        row.title,
        sides[0] * sides[1] if len(sides) > 1 else sum(sides),
        1,
        row.data_type,
        row.params,
        row.macs,
        accuracy,
        row.fps,
        row.summary.median,
        row.power.joules if row.power else None,
        row.cost.board if row.cost else None,
    ]


def _accuracy(row: Row) -> tuple[float | None, str]:
    """``69.76 % top-1`` → 69.76, ``% top-1``."""
    match = NUMBER.search(row.accuracy or "")
    if not match or not row.accuracy:
        return None, ""
    return float(match[0]), row.accuracy.replace(match[0], "", 1).strip()
