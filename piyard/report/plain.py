"""Text that came from elsewhere, made harmless for where it is shown."""

from __future__ import annotations

import re
import unicodedata

SPACES = re.compile(r"\s+")
HARMLESS = re.compile(r"[\x20-\x7e±]*")
MARKS = {"|": "\\|", "<": "&lt;", "&": "&amp;", "\\": "\\\\", "`": "\\`"}
STRANGE = "\N{REPLACEMENT CHARACTER}"


def line(text: str) -> str:
    """One line without control characters: a terminal would obey them."""
    if HARMLESS.fullmatch(text):
        return text
    joined = SPACES.sub(" ", text)
    return "".join(STRANGE if _is_strange(char) else char for char in joined)


def markdown(text: str) -> str:
    """A cell of a Markdown table, which neither ends the cell nor starts markup."""
    return "".join(MARKS.get(char, char) for char in line(text))


def _is_strange(char: str) -> bool:
    """Control, format (text that turns its direction), surrogate, private, unassigned."""
    return unicodedata.category(char).startswith("C")
