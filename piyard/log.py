"""nnrun's log: JSON Lines, a header first, a summary last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from piyard import logline
from piyard.errors import UnreadableLog

Line = dict[str, Any]


LARGEST = 512 << 20
"""Bytes of a log: each line is in memory. Five thousand pictures with masks take some 50 MB."""


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of one nnrun, by type."""

    header: Line
    lines: list[Line]
    summary: Line | None
    """None when nnrun was interrupted."""

    def of(self, line_type: str) -> list[Line]:
        """The lines of that type, in order."""
        return [line for line in self.lines if line["type"] == line_type]

    def first(self, line_type: str) -> Line | None:
        """The first line of that type, if there is one."""
        return next(iter(self.of(line_type)), None)


def label(path: Path) -> str:
    """The computed precision that a log names; raises ``UnreadableLog``."""
    header = read(path).header
    logline.require_measured(header, str(path))
    return str(header["precision"]["label"])


def read(path: Path) -> Log:
    """The log in a file; raises ``UnreadableLog``. An incomplete last line is left out."""
    try:
        if path.stat().st_size > LARGEST:
            raise UnreadableLog(f"{path} is larger than {LARGEST >> 20} MB")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UnreadableLog(f"{path} cannot be read: {error.strerror}") from None
    return parse(text, str(path))


def parse(text: str, where: str) -> Log:
    """The log of that text; ``where`` names it in errors."""
    lines = [_line(line, f"{where}:{i}") for i, line in enumerate(text.split("\n")[:-1], 1) if line]
    if not lines or lines[0]["type"] != "header":
        raise UnreadableLog(
            f"{where} does not begin with nnrun's header",
            remedy="see stderr.txt beside it for why nnrun ended",
        )
    summary = lines[-1] if lines[-1]["type"] == "summary" else None
    return Log(header=lines[0], lines=lines[1:], summary=summary)


def _line(text: str, where: str) -> Line:
    try:
        line = msgspec.json.decode(text, type=Line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableLog(f"{where} is not a log line of nnrun: {error}") from None
    if not isinstance(line.get("type"), str):
        raise UnreadableLog(f"{where} has no type")
    logline.require_line(line, where)
    return line
