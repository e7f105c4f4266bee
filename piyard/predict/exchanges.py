"""What was said in a conversation so far, from the files of its run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard.core.errors import UnreadableLog
from piyard.core.tables import Cell
from piyard.predict.answers import ENDINGS
from piyard.run.run_folders import LOG_FILE

TURNS_FILE = "turns.jsonl"
TURN_ENDS = frozenset({"answer", "error"})
"""Types of the lines that end a turn."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the turns: a text, or the beginning of a new conversation, or the end."""

    text: str | None = None
    reset: bool = False
    end: bool = False


class TurnEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A line of nnrun's log, of which only this much is read."""

    type: str
    text: str = ""
    ending: str = ""
    error: str = ""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """What was said, and what was answered."""

    said: str
    answer: str | None
    """None where there is none, or none yet."""
    note: str = ""
    """Why it is cut, or was not answered."""
    is_first: bool = False
    """Whether it begins a conversation anew."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation so far."""

    turns: list[bytes]
    """The lines that the board has, whole ones."""
    exchanges: list[Exchange]
    seen: int
    """Lines of the log up to the end of the last answered turn."""

    @property
    def is_pending(self) -> bool:
        """Whether the last turn waits for its answer."""
        last = self.exchanges[-1] if self.exchanges else None
        return last is not None and last.answer is None and not last.note


def read_history(folder: Path) -> History:
    """Of a run that was fetched, over or not; lines that were cut are left out.

    Raises ``UnreadableLog`` for turns that nobody sent.
    """
    turns = _whole_lines(folder / TURNS_FILE)
    log = _whole_lines(folder / LOG_FILE)
    ends: list[TurnEnd] = []
    seen = 0
    for number, line in enumerate(log, 1):
        end = _decode_end(line)
        if end is not None and end.type in TURN_ENDS:
            ends.append(end)
            seen = number
    return History(turns=turns, exchanges=_pair(turns, ends), seen=seen)


def _whole_lines(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines(keepends=True) if file.is_file() else []
    except OSError:
        return []


def _decode_end(line: bytes) -> TurnEnd | None:
    try:
        return msgspec.json.decode(line, type=TurnEnd) if line.endswith(b"\n") else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _pair(turns: Sequence[bytes], ends: Sequence[TurnEnd]) -> list[Exchange]:
    exchanges: list[Exchange] = []
    left, is_first = iter(ends), True
    for line in turns:
        turn = _decode_turn(line)
        is_first = is_first or turn.reset
        if turn.text is None:
            continue
        end = next(left, None)
        answer = end.text if end and end.type == "answer" else None
        note = (end.error or ENDINGS.get(end.ending, end.ending)) if end else ""
        exchanges.append(Exchange(said=turn.text, answer=answer, note=note, is_first=is_first))
        is_first = False
    return exchanges


def _decode_turn(line: bytes) -> Turn:
    try:
        return msgspec.json.decode(line, type=Turn)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableLog(f"{TURNS_FILE} holds a line that is not a turn: {error}") from None


EXCHANGE_COLUMNS = ("Turn", "Said", "Answer", "Note")


def exchange_rows(exchanges: Sequence[Exchange]) -> list[list[str]]:
    """A row a turn."""
    return [
        [Cell(str(number), number), each.said, Cell(each.answer or "", each.answer), each.note]
        for number, each in enumerate(exchanges, 1)
    ]
