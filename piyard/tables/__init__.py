"""Rows for people (``plain``, ``github``) and for programs (``csv``, ``json``)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from piyard import harmless
from piyard.errors import unknown
from piyard.tables import layout

if TYPE_CHECKING:
    from typing_extensions import Self

FORMATS = ("plain", "github", "csv", "json")
STYLES = ("plain", "github")
"""Those for people."""


class Value(str):
    """A cell that people read as text, and that is something else in JSON: a number, or null."""

    __slots__ = ("value",)

    value: Any

    def __new__(cls, text: str, value: Any) -> Self:
        """What people read, and what programs read."""
        made = super().__new__(cls, text)
        made.value = value
        return made


def number(value: float) -> Value:
    """A number that people read as it is."""
    return Value(str(value), value)


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
        objects = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
        return harmless.json(json.dumps(objects, indent=2, ensure_ascii=False))
    if form == "github":
        return _markdown(columns, [[harmless.markdown(cell) for cell in row] for row in rows])
    shown = [[harmless.text(cell) for cell in row] for row in rows]
    return layout.fit(columns, shown, layout.terminal_width())


def _plain(cell: str) -> Any:
    """JSON knows no number that is not finite."""
    value = cell.value if isinstance(cell, Value) else cell
    return None if isinstance(value, float) and not isfinite(value) else value


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    return tabulate(rows, headers=columns, tablefmt="github", disable_numparse=True)


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([harmless.cell(cell) for cell in row] for row in rows)
    return text.getvalue().rstrip("\n")
