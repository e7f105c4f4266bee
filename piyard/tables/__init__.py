"""Rows for people (``plain``, ``github``) and for programs (``csv``, ``json``)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from piyard.errors import unknown
from piyard.tables import layout

FORMATS = ("plain", "github", "csv", "json")
STYLES = ("plain", "github")
"""Those for people."""


def check_format(form: str) -> None:
    """Raise for a format there is not, before any work."""
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)


def render(columns: Sequence[str], rows: Sequence[Sequence[str]], form: str) -> str:
    """The rows under their columns in one of ``FORMATS``; ``plain`` fits into the terminal."""
    check_format(form)
    if form == "csv":
        return _csv(columns, rows)
    if form == "json":
        return json.dumps(
            [dict(zip(columns, row, strict=True)) for row in rows], indent=2, ensure_ascii=False
        )
    if form == "github":
        return _markdown(columns, rows)
    return layout.fit(columns, rows, layout.terminal_width())


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    return tabulate(rows, headers=columns, tablefmt="github", disable_numparse=True)


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")
