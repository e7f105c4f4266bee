"""Tables for people, fitted into the terminal (plain, github), and for programs (csv, json)."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from math import isfinite
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from piyard.core.errors import unknown_name
from piyard.core.text import (
    NOT_KNOWN,
    escape_csv,
    escape_json,
    escape_markdown,
    sanitize_line,
    sanitize_text,
    text_width,
    wrap_text,
)

if TYPE_CHECKING:
    from typing_extensions import Self


FORMATS = ("plain", "github", "csv", "json")
STYLES = ("plain", "github")
"""Those for people."""


class Cell(str):
    """A cell's text for people, with its value for JSON: a number, or null."""

    __slots__ = ("value",)

    value: Any

    def __new__(cls, text: str, value: Any) -> Self:
        """The text for people, and the value for programs."""
        cell = super().__new__(cls, text)
        cell.value = value
        return cell


def number_cell(value: float) -> Cell:
    """A cell whose text is the number itself."""
    return Cell(str(value), value)


ItemT = TypeVar("ItemT")


class Column(msgspec.Struct, Generic[ItemT], frozen=True, kw_only=True):
    """One column of a table of items: every format takes its cells from here."""

    key: str
    """Its name for programs."""
    title: str = ""
    """Its heading for people; empty where only programs read it."""
    value: Callable[[ItemT], object] | None = None
    """The cell for programs, None for unknown; without it only people read the column."""
    text: Callable[[ItemT], str] | None = None
    """The cell for people, and for CSV where the value is a list; the value itself otherwise."""
    sort: Callable[[ItemT], float | None] | None = None
    """What to sort by where that is not the value."""
    css: str = ""
    """Classes of its cells on a page."""
    width: str = "minmax(34px, 60px)"
    """Its track in a page's grid; empty for a line of its own."""
    help: str = ""
    """One sentence: what it says."""

    @property
    def label(self) -> str:
        """The heading, or the name for programs where there is none."""
        return self.title or self.key

    def value_of(self, item: ItemT) -> Any:
        """The cell for programs."""
        return self.value(item) if self.value else self.text_of(item)

    def text_of(self, item: ItemT) -> str:
        """The cell for people."""
        if self.text:
            return self.text(item)
        value = self.value(item) if self.value else None
        return NOT_KNOWN if value is None else str(value)

    def sort_key(self, item: ItemT) -> Any:
        """What to sort by."""
        return self.sort(item) if self.sort else self.value_of(item)

    def csv_value(self, item: ItemT, unknown: str = "") -> object:
        """The cell for CSV, which holds neither lists nor what a spreadsheet would evaluate."""
        value = self.value_of(item)
        if isinstance(value, list):
            value = self.text_of(item)
        return escape_csv(value) if isinstance(value, str) else unknown if value is None else value


def render_items(columns: Sequence[Column[ItemT]], items: Sequence[ItemT], form: str) -> str:
    """A row an item, for people under the titles, for programs by key."""
    check_format(form)
    if form in STYLES:
        titled = [column for column in columns if column.title]
        cells = [[sanitize_line(column.text_of(item)) for column in titled] for item in items]
        return render_table([column.title for column in titled], cells, form)
    keyed = [column for column in columns if column.value]
    if form == "csv":
        values = [[column.csv_value(item) for column in keyed] for item in items]
        return csv_lines([column.key for column in keyed], values)
    objects = [{column.key: column.value_of(item) for column in keyed} for item in items]
    return escape_json(json.dumps(objects, indent=2, ensure_ascii=False))


def check_format(form: str) -> None:
    """Raise for an unknown format, before any work."""
    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)


def render_table(columns: Sequence[str], rows: Sequence[Sequence[str]], form: str) -> str:
    """The rows under their columns in one of ``FORMATS``; ``plain`` fits into the terminal."""
    check_format(form)
    if form == "csv":
        return csv_lines(columns, [[escape_csv(cell) for cell in row] for row in rows])
    if form == "json":
        objects = [dict(zip(columns, map(_json_value, row), strict=True)) for row in rows]
        return escape_json(json.dumps(objects, indent=2, ensure_ascii=False))
    if form == "github":
        return _render_markdown(columns, [[escape_markdown(cell) for cell in row] for row in rows])
    texts = [[sanitize_text(cell) for cell in row] for row in rows]
    return fit_table(columns, texts, terminal_width())


def _json_value(cell: str) -> Any:
    """The cell's value for JSON, which has no infinity and no NaN."""
    value = cell.value if isinstance(cell, Cell) else cell
    return None if isinstance(value, float) and not isfinite(value) else value


def _render_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    return tabulate(rows, headers=columns, tablefmt="github", disable_numparse=True)


def csv_lines(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """The rows as CSV, as they are."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


COLUMN_GAP = 2
"""Spaces between columns."""
MIN_COLUMN_WIDTH = 12
"""A column is not wrapped below this, so that a cell keeps a few words a line."""
MAX_ROW_LINES = 6
"""Lines of a wrapped row; a taller one is easier to read stacked."""
MIN_TERMINAL_WIDTH = 40
"""Narrower terminals are treated as this wide."""

Row = Sequence[str]


def terminal_width() -> int | None:
    """The width of the terminal on standard output; None when that is a pipe or a file.

    ``COLUMNS`` takes precedence, as in other programs.
    """
    variable = os.environ.get("COLUMNS", "")
    if variable.isdecimal() and int(variable) > 0:
        return max(MIN_TERMINAL_WIDTH, int(variable))
    try:
        return max(MIN_TERMINAL_WIDTH, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError, AttributeError):
        return None


def fit_table(columns: Row, rows: Sequence[Row], width: int | None) -> str:
    """The table as text no wider than ``width``, except for single words that are wider."""
    if width is None or not rows or _natural_width(columns, rows) <= width:
        return _grid(columns, rows)
    columns, rows, hidden = _without_unknown(columns, rows)
    body = _fit_grid(columns, rows, width)
    return f"{body}\n\n{_hidden_note(hidden, width)}" if hidden else body


def _fit_grid(columns: Row, rows: Sequence[Row], width: int) -> str:
    if _natural_width(columns, rows) <= width:
        return _grid(columns, rows)
    return _wrapped_grid(columns, rows, width) or _stack(columns, rows, width)


def _without_unknown(columns: Row, rows: Sequence[Row]) -> tuple[Row, Sequence[Row], list[str]]:
    """The table without columns that are N/A, or empty, in every row; the names of the former."""
    contents = [{row[i] for row in rows} for i in range(len(columns))]
    kept = [i for i, cells in enumerate(contents) if cells not in ({NOT_KNOWN}, {""})]
    hidden = [name for name, cells in zip(columns, contents, strict=True) if cells == {NOT_KNOWN}]
    return [columns[i] for i in kept], [[row[i] for i in kept] for row in rows], hidden


def _hidden_note(hidden: Sequence[str], width: int) -> str:
    return "\n".join(wrap_text(f"{NOT_KNOWN} in every row: {', '.join(hidden)}", width))


def _natural_width(columns: Row, rows: Sequence[Row]) -> int:
    return _total_width([max(map(_widest_line, cells)) for cells in _by_column(columns, rows)])


def _by_column(columns: Row, rows: Sequence[Row]) -> list[list[str]]:
    return [[name, *(row[i] for row in rows)] for i, name in enumerate(columns)]


def _total_width(widths: Sequence[int]) -> int:
    return sum(widths) + COLUMN_GAP * (len(widths) - 1)


def _widest_line(cell: str) -> int:
    return max(map(text_width, cell.splitlines()), default=0)


def _wrapped_grid(columns: Row, rows: Sequence[Row], width: int) -> str:
    """The table with cells wrapped between words; empty if it does not fit or is too tall."""
    cells = _by_column(columns, rows)
    minimum = [_least_width(column) for column in cells]
    widths = [
        max(_widest_word(name), *map(_widest_line, column))
        for name, *column in cells  # headings wrap first: it costs the rows nothing
    ]
    while _total_width(widths) > width:
        slack = [width - least for width, least in zip(widths, minimum, strict=True)]
        if not any(slack):
            return ""
        widest = max(range(len(widths)), key=lambda i: (slack[i] > 0, widths[i]))
        widths[widest] -= 1
    wrapped = [
        ["\n".join(wrap_text(cell, size)) for cell, size in zip(row, widths, strict=True)]
        for row in (columns, *rows)
    ]
    if max(cell.count("\n") + 1 for row in wrapped for cell in row) > MAX_ROW_LINES:
        return ""
    return _grid(wrapped[0], wrapped[1:])


def _least_width(cells: Sequence[str]) -> int:
    """The width of the widest word, and of a few words where there are more."""
    return max(*map(_widest_word, cells), min(MIN_COLUMN_WIDTH, *map(_widest_line, cells[1:])))


def _widest_word(cell: str) -> int:
    return max(map(text_width, cell.split()), default=0)


def _grid(columns: Row, rows: Sequence[Row]) -> str:
    """Like tabulate's ``simple``, which would pad headings and count wide characters as one."""
    widths = [max(map(_widest_line, column)) for column in _by_column(columns, rows)]
    rule = ["-" * width for width in widths]
    return "\n".join(line for row in (columns, rule, *rows) for line in _lines_of(row, widths))


def _lines_of(row: Row, widths: Sequence[int]) -> Iterator[str]:
    for cells in zip_longest(*(cell.splitlines() for cell in row), fillvalue=""):
        padded = [
            cell + " " * (width - text_width(cell))
            for cell, width in zip(cells, widths, strict=True)
        ]
        yield (" " * COLUMN_GAP).join(padded).rstrip()


def _stack(columns: Row, rows: Sequence[Row], width: int) -> str:
    """A block for each row: names before values, two in a line where both are short."""
    label, half = max(map(text_width, columns)), (width - COLUMN_GAP) // 2
    blocks = []
    for row in rows:
        pairs = [_pair(name, cell, label, width) for name, cell in zip(columns, row, strict=True)]
        blocks.append("\n".join(_two_to_a_line(pairs, half)))
    return f"\n{'-' * width}\n".join(blocks)


def _pair(name: str, cell: str, label: int, width: int) -> list[str]:
    """The lines of one value; those after the first are indented to it."""
    lines = wrap_text(cell, max(width - label - COLUMN_GAP, MIN_COLUMN_WIDTH))
    heads = [name, *[""] * (len(lines) - 1)]
    return [
        f"{head}{' ' * (label + COLUMN_GAP - text_width(head))}{line}".rstrip()
        for head, line in zip(heads, lines, strict=True)
    ]


def _two_to_a_line(pairs: Sequence[Sequence[str]], half: int) -> Iterator[str]:
    left = ""
    for lines in pairs:
        short = len(lines) == 1 and text_width(lines[0]) <= half
        if left and short:
            yield f"{left}{' ' * (half + COLUMN_GAP - text_width(left))}{lines[0]}"
            left = ""
            continue
        if left:
            yield left
        left = lines[0] if short else ""
        if not short:
            yield from lines
    if left:
        yield left
