"""Fitting a table into a terminal: empty columns go, cells wrap between words, then rows stack."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from piyard.tables.wrapping import width_of, wrap

NOT_KNOWN = "N/A"
GAP = 2
"""Spaces between columns."""
NARROWEST = 12
"""A column is not wrapped below this, so that a cell keeps a few words a line."""
TALLEST = 6
"""Lines of a wrapped row; a taller one is easier to read stacked."""
LEAST = 40
"""Narrower terminals are treated as this wide."""

Row = Sequence[str]


def terminal_width() -> int | None:
    """The width of the terminal on standard output; None when that is a pipe or a file.

    ``COLUMNS`` takes precedence, as in other programs.
    """
    variable = os.environ.get("COLUMNS", "")
    if variable.isdecimal() and int(variable) > 0:
        return max(LEAST, int(variable))
    try:
        return max(LEAST, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError, AttributeError):
        return None


def fit(columns: Row, rows: Sequence[Row], width: int | None) -> str:
    """The table as text no wider than ``width``, except for single words that are wider."""
    if width is None or not rows or _natural(columns, rows) <= width:
        return _grid(columns, rows)
    columns, rows, hidden = _without_unknown(columns, rows)
    body = _narrowed(columns, rows, width)
    return f"{body}\n\n{_note_of(hidden, width)}" if hidden else body


def _narrowed(columns: Row, rows: Sequence[Row], width: int) -> str:
    if _natural(columns, rows) <= width:
        return _grid(columns, rows)
    return _wrapped_grid(columns, rows, width) or _stack(columns, rows, width)


def _without_unknown(columns: Row, rows: Sequence[Row]) -> tuple[Row, Sequence[Row], list[str]]:
    """The table without columns that are N/A, or empty, in every row; the names of the former."""
    contents = [{row[i] for row in rows} for i in range(len(columns))]
    kept = [i for i, cells in enumerate(contents) if cells not in ({NOT_KNOWN}, {""})]
    hidden = [name for name, cells in zip(columns, contents, strict=True) if cells == {NOT_KNOWN}]
    return [columns[i] for i in kept], [[row[i] for i in kept] for row in rows], hidden


def _note_of(hidden: Sequence[str], width: int) -> str:
    return "\n".join(wrap(f"{NOT_KNOWN} in every row: {', '.join(hidden)}", width))


def _natural(columns: Row, rows: Sequence[Row]) -> int:
    return _total([max(map(_widest_line, cells)) for cells in _by_column(columns, rows)])


def _by_column(columns: Row, rows: Sequence[Row]) -> list[list[str]]:
    return [[name, *(row[i] for row in rows)] for i, name in enumerate(columns)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _widest_line(cell: str) -> int:
    return max(map(width_of, cell.splitlines()), default=0)


def _wrapped_grid(columns: Row, rows: Sequence[Row], width: int) -> str:
    """The table with cells wrapped between words; empty if it does not fit or is too tall."""
    cells = _by_column(columns, rows)
    minimum = [_least_width(column) for column in cells]
    widths = [
        max(_widest_word(name), *map(_widest_line, column))
        for name, *column in cells  # headings wrap first: it costs the rows nothing
    ]
    while _total(widths) > width:
        slack = [width - least for width, least in zip(widths, minimum, strict=True)]
        if not any(slack):
            return ""
        widest = max(range(len(widths)), key=lambda i: (slack[i] > 0, widths[i]))
        widths[widest] -= 1
    wrapped = [
        ["\n".join(wrap(cell, size)) for cell, size in zip(row, widths, strict=True)]
        for row in (columns, *rows)
    ]
    if max(cell.count("\n") + 1 for row in wrapped for cell in row) > TALLEST:
        return ""
    return _grid(wrapped[0], wrapped[1:])


def _least_width(cells: Sequence[str]) -> int:
    """The width of the widest word, and of a few words where there are more."""
    return max(*map(_widest_word, cells), min(NARROWEST, *map(_widest_line, cells[1:])))


def _widest_word(cell: str) -> int:
    return max(map(width_of, cell.split()), default=0)


def _grid(columns: Row, rows: Sequence[Row]) -> str:
    """Like tabulate's ``simple``, which would pad headings and count wide characters as one."""
    widths = [max(map(_widest_line, column)) for column in _by_column(columns, rows)]
    rule = ["-" * width for width in widths]
    return "\n".join(line for row in (columns, rule, *rows) for line in _lines_of(row, widths))


def _lines_of(row: Row, widths: Sequence[int]) -> Iterator[str]:
    for cells in zip_longest(*(cell.splitlines() for cell in row), fillvalue=""):
        padded = [
            cell + " " * (width - width_of(cell)) for cell, width in zip(cells, widths, strict=True)
        ]
        yield (" " * GAP).join(padded).rstrip()


def _stack(columns: Row, rows: Sequence[Row], width: int) -> str:
    """A block for each row: names before values, two in a line where both are short."""
    label, half = max(map(width_of, columns)), (width - GAP) // 2
    blocks = []
    for row in rows:
        pairs = [_pair(name, cell, label, width) for name, cell in zip(columns, row, strict=True)]
        blocks.append("\n".join(_two_to_a_line(pairs, half)))
    return f"\n{'-' * width}\n".join(blocks)


def _pair(name: str, cell: str, label: int, width: int) -> list[str]:
    """The lines of one value; those after the first are indented to it."""
    lines = wrap(cell, max(width - label - GAP, NARROWEST))
    heads = [name, *[""] * (len(lines) - 1)]
    return [
        f"{head}{' ' * (label + GAP - width_of(head))}{line}".rstrip()
        for head, line in zip(heads, lines, strict=True)
    ]


def _two_to_a_line(pairs: Sequence[Sequence[str]], half: int) -> Iterator[str]:
    left = ""
    for lines in pairs:
        short = len(lines) == 1 and width_of(lines[0]) <= half
        if left and short:
            yield f"{left}{' ' * (half + GAP - width_of(left))}{lines[0]}"
            left = ""
            continue
        if left:
            yield left
        left = lines[0] if short else ""
        if not short:
            yield from lines
    if left:
        yield left
