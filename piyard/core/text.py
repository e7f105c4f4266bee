"""Text for people: numbers, escaping for terminal, Markdown, CSV and JSON, and wrapping."""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections.abc import Iterator

SPACES = re.compile(r"\s+")
PLAIN_TEXT = re.compile(r"[\x20-\x7e±]*")
MARKDOWN_ESCAPES = {"|": "\\|", "<": "&lt;", "&": "&amp;", "\\": "\\\\", "`": "\\`", "[": "\\["}
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
FORMULA = re.compile(r"\s*[=+\-@]")
"""How a cell begins that a spreadsheet evaluates."""
SIGNED_NUMBER = re.compile(r"\s*[+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?\s*%?\s*|\s*[+-]+\s*")
"""May begin with a sign: a number, or signs alone."""
INVISIBLE = re.compile(
    r"[\x7f-\x9f\u00ad\u0600-\u0605\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)

LOGIN_IN_URL = re.compile(r"(?<=://)([^/\s:]*)(:[^/\s]*)?@")
SECRET_IN_URL = re.compile(
    r"([?&][^=&\s]*(?:pass|pwd|token|key|auth|secret|sig)[^=&\s]*=)[^&\s#]*", re.IGNORECASE
)


def mask_secrets(text: str) -> str:
    """The text with the passwords and keys of its URLs as ``***``."""
    without_login = LOGIN_IN_URL.sub(lambda match: f"{match[1]}:***@" if match[2] else "***@", text)
    return SECRET_IN_URL.sub(r"\1***", without_login)


def sanitize_line(value: str) -> str:
    """One line without control characters."""
    if PLAIN_TEXT.fullmatch(value):
        return value
    joined = SPACES.sub(" ", value)
    return "".join(REPLACEMENT if _is_unprintable(char) else char for char in joined)


def sanitize_text(value: str) -> str:
    """The same for each line; line feeds stay."""
    if PLAIN_TEXT.fullmatch(value):
        return value
    return "\n".join(map(sanitize_line, value.replace("\r\n", "\n").split("\n")))


def escape_markdown(value: str) -> str:
    """A cell of a Markdown table; what would end the cell or start markup is escaped."""
    return "".join(MARKDOWN_ESCAPES.get(char, char) for char in sanitize_line(value))


def escape_csv(value: str) -> str:
    """A cell of CSV: text that a spreadsheet would evaluate gets an apostrophe in front.

    A lone carriage return becomes a line feed: readers take it for one, and the writer does not
    quote it. On a terminal control characters are replaced; a program gets the text as it is.
    """
    plain = value.replace("\r\n", "\n").replace("\r", "\n")
    plain = sanitize_text(plain) if sys.stdout.isatty() else plain
    return f"'{plain}" if FORMULA.match(plain) and not SIGNED_NUMBER.fullmatch(plain) else plain


def escape_json(value: str) -> str:
    """JSON with control characters written as escapes: it parses to the same values."""
    return INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", value)


def _is_unprintable(char: str) -> bool:
    """Control, format (text that turns its direction), surrogate, private, unassigned."""
    return unicodedata.category(char).startswith("C")


def text_width(text: str) -> int:
    """Columns that the text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrap_text(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns, broken between words only: a longer word is not broken.

    Line feeds in the text are kept. There is always at least one line.
    """
    return [line for part in text.splitlines() or [""] for line in _wrap_line(part, width)]


def _wrap_line(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and text_width(longer) > width:
            yield line
            longer = word
        line = longer
    yield line


def is_multiple(before: float, after: float) -> bool:
    """Whether one is at least twice the other: then a percentage would be ambiguous."""
    return after >= 2 * before or before >= 2 * after


def format_change(before: float, after: float) -> str:
    """``from 357 to 63 ms``."""
    return f"from {_three_digits(before)} to {_three_digits(after)} ms"


def _three_digits(value: float) -> str:
    """Three digits, more for a large number."""
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.3g}"


NOT_KNOWN = "N/A"

JOINERS = frozenset("\u200c\u200d")
"""They belong to words of Persian, Sinhala and Hindi."""


def format_digits(value: float) -> str:
    """Two decimals, more where that would leave fewer than three digits."""
    if not math.isfinite(value):
        return NOT_KNOWN
    if value == 0 or abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:.{2 - math.floor(math.log10(abs(value)))}f}"


def format_percent(part: float) -> str:
    """A fraction in percent: one decimal, more where that would say nothing but 0."""
    return f"{100 * part:.1f}" if part >= 0.001 or part == 0 else f"{100 * part:.1g}"


def format_scaled(value: float | None, unit: float, name: str) -> str:
    """A large number in its unit."""
    return NOT_KNOWN if value is None else f"{value / unit:.2f} {name}"


def format_count(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_money(dollars: float) -> str:
    """Dollars, without a tail of zeros."""
    return f"{dollars:.2f}".removesuffix(".00")
