"""Text from elsewhere, escaped for where it is shown.

A terminal obeys control characters, Markdown its markup, a spreadsheet a formula.
"""

from __future__ import annotations

import re
import sys
import unicodedata

SPACES = re.compile(r"\s+")
HARMLESS = re.compile(r"[\x20-\x7e±]*")
MARKS = {"|": "\\|", "<": "&lt;", "&": "&amp;", "\\": "\\\\", "`": "\\`", "[": "\\["}
STRANGE = "\N{REPLACEMENT CHARACTER}"
FORMULA = re.compile(r"\s*[=+\-@]")
"""How a cell begins that a spreadsheet evaluates."""
NUMBER = re.compile(r"\s*[+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?\s*%?\s*|\s*[+-]+\s*")
"""May begin with a sign: a number, or signs alone."""
ESCAPED = re.compile(
    r"[\x7f-\x9f\u00ad\u0600-\u0605\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


def line(value: str) -> str:
    """One line without control characters."""
    if HARMLESS.fullmatch(value):
        return value
    joined = SPACES.sub(" ", value)
    return "".join(STRANGE if _is_strange(char) else char for char in joined)


def text(value: str) -> str:
    """The same for each line; line feeds stay."""
    if HARMLESS.fullmatch(value):
        return value
    return "\n".join(map(line, value.replace("\r\n", "\n").split("\n")))


def markdown(value: str) -> str:
    """A cell of a Markdown table; what would end the cell or start markup is escaped."""
    return "".join(MARKS.get(char, char) for char in line(value))


def cell(value: str) -> str:
    """A cell of CSV: text that a spreadsheet would evaluate gets an apostrophe in front.

    A lone carriage return becomes a line feed: readers take it for one, and the writer does not
    quote it. On a terminal control characters are replaced; a program gets the text as it is.
    """
    plain = value.replace("\r\n", "\n").replace("\r", "\n")
    plain = text(plain) if sys.stdout.isatty() else plain
    return f"'{plain}" if FORMULA.match(plain) and not NUMBER.fullmatch(plain) else plain


def json(value: str) -> str:
    """JSON with control characters written as escapes: it parses to the same values."""
    return ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", value)


def _is_strange(char: str) -> bool:
    """Control, format (text that turns its direction), surrogate, private, unassigned."""
    return unicodedata.category(char).startswith("C")
