"""Rows → what people and programs read: tables, CSV, JSON, JUnit XML and one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from piyard import harmless, tables
from piyard.errors import unknown
from piyard.report.columns import COLUMNS as COLUMNS
from piyard.report.columns import cells as cells
from piyard.report.remarks import comments as comments
from piyard.row import Row

if TYPE_CHECKING:
    from piyard.result import Result

FORMATS = (*tables.FORMATS, "junit", "html")


def check_format(form: str) -> None:
    """Raise for a format there is not, before any work."""
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)


def render(
    rows: Sequence[Row],
    form: str = "plain",
    results: Sequence[Result] = (),
    *,
    long: bool = False,
) -> str:
    """The rows in one of ``FORMATS``; ``plain`` has whole comments only with ``long``.

    ``results`` are those of the rows, as far as they were read, in any order: ``json`` and
    ``html`` take samples, telemetry and provenance from them, the others do not need them.
    """
    check_format(form)
    if form == "html":
        from piyard.report import page

        return page.render(rows, results)
    if form == "junit":
        from piyard.report import junit

        return junit.render(rows)
    if form in {"csv", "json"}:
        from piyard.report import data

        return data.csv(rows) if form == "csv" else data.json(rows, results)
    return _table(rows, form, long=long or form != "plain")


def _table(rows: Sequence[Row], form: str, *, long: bool) -> str:
    """Where there are several boards, each row says which it is from."""
    several = len({row.host for row in rows}) > 1
    shown = [[harmless.line(cell) for cell in cells(row, named=several, long=long)] for row in rows]
    return tables.render(COLUMNS, shown, form)
