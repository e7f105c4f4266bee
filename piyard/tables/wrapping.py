"""Text in a terminal's columns: a wide character takes two, a combining accent none."""

from __future__ import annotations

from collections.abc import Iterator


def width_of(text: str) -> int:
    """Columns that the text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns, broken between words only: a longer word is not broken.

    Line feeds in the text are kept. There is always at least one line.
    """
    return [line for part in text.splitlines() or [""] for line in _lines(part, width)]


def _lines(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and width_of(longer) > width:
            yield line
            longer = word
        line = longer
    yield line
