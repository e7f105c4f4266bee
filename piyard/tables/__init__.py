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
    """A cell's text for people, with its value for JSON: a number, or null."""

    __slots__ = ("value",)

    value: Any

    def __new__(cls, text: str, value: Any) -> Self:
        """The text for people, and the value for programs."""
        cell = super().__new__(cls, text)
        cell.value = value
        return cell


def number(value: float) -> Value:
    """A cell whose text is the number itself."""
    return Value(str(value), value)


def check_format(form: str) -> None:
    """Raise for an unknown format, before any work."""
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
    texts = [[harmless.text(cell) for cell in row] for row in rows]
    return layout.fit(columns, texts, layout.terminal_width())


def _plain(cell: str) -> Any:
    """The cell's value for JSON, which has no infinity and no NaN."""
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
