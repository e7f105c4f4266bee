"""Rows for people (``plain``, ``github``) and for programs (``csv``, ``json``)."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Sequence

from piyard.errors import unknown

FORMATS = ("plain", "github", "csv", "json")
STYLES = {"plain": "simple", "github": "github"}
WIDEST = 44
"""Characters of a cell in a terminal; Markdown breaks its own lines."""


def check_format(form: str) -> None:
    """Raise for a format there is not, before any work."""
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)


def render(columns: Sequence[str], rows: Sequence[Sequence[str]], form: str) -> str:
    """The rows under their columns in one of ``FORMATS``."""
    check_format(form)
    if form == "csv":
        return _csv(columns, rows)
    if form == "json":
        return json.dumps(
            [dict(zip(columns, row, strict=True)) for row in rows], indent=2, ensure_ascii=False
        )
    return _text(columns, rows, form)


def _text(columns: Sequence[str], rows: Sequence[Sequence[str]], form: str) -> str:
    from tabulate import tabulate

    shown = [[_wrapped(cell) for cell in row] for row in rows] if form == "plain" else rows
    return tabulate(shown, headers=columns, tablefmt=STYLES[form], disable_numparse=True)


def _wrapped(cell: str) -> str:
    """tabulate's own wrapping stumbles over numbers like 12,345."""
    if len(cell) <= WIDEST and "\n" not in cell:
        return cell
    lines = [part for line in cell.splitlines() for part in textwrap.wrap(line, WIDEST) or [""]]
    return "\n".join(lines)


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")
