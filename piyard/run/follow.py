"""A run that is looked at while it goes on: each line of its log as soon as it is written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.release import HOME
from piyard.board.ssh.commands import script_argv
from piyard.board.ssh.session import Session
from piyard.core.cancel import raise_if_requested
from piyard.run.log import LogLine
from piyard.run.record import Record
from piyard.run.remote import ProcessStatus, read_status
from piyard.run.run_folders import LOG_FILE

FOLLOW_S = 4
"""Of one look: Ctrl-C is noticed between two, and the run's end at the end of one."""
GRACE_S = 30


class LiveRun(Protocol):
    """What attends a run while it goes on. Ctrl-C then ends the run, as does its time limit."""

    def attend(self, connection: BoardConnection, record: Record) -> AbstractContextManager[None]:
        """Around the whole time of the run on its board."""

    def see(self, line: LogLine) -> None:
        """A line of the log, each once and in order."""


class LogFollower:
    """Reads a run's log as it grows, through lost connections."""

    def __init__(self, live: LiveRun, until: Callable[[], bool] = lambda: False) -> None:
        """``until`` ends a look early, after the line that makes it true."""
        self._live, self._lines, self._until = live, 0, until

    def skip(self, lines: int) -> None:
        """Leave out so many lines at the beginning, which were seen before."""
        self._lines = lines

    def look(self, session: Session, run_id: str) -> ProcessStatus:
        """Pass on the lines of the next seconds; the run's status after them."""
        argv = script_argv("follow", HOME, run_id, str(self._lines), str(FOLLOW_S))
        with session.start(argv, limit_s=2 * FOLLOW_S + GRACE_S) as talk:
            talk.end_input()
            while (text := talk.line()) is not None:
                raise_if_requested()
                if not self._pass_on(text) or self._until():
                    break
        return read_status(session, run_id)

    def finish(self, folder: Path) -> None:
        """Pass on what the fetched log has beyond the lines seen so far."""
        try:
            lines = (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return
        for text in lines[self._lines : -1]:
            self._pass_on(text)

    def _pass_on(self, text: str) -> bool:
        """Whether it was a whole line: the last one may be cut by the end of a look."""
        try:
            line = msgspec.json.decode(text.encode(errors="replace"))
        except (msgspec.DecodeError, RecursionError):
            return False
        self._lines += 1
        if isinstance(line, dict) and isinstance(line.get("type"), str):
            self._live.see(line)
        return True
