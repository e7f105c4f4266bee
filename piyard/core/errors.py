"""Every way piyard can fail on purpose, each with its own exit code.

An error says what failed and where, shows its evidence, and ends with a remedy.
Invoke prints an ``Exit`` without a traceback and leaves with its code.

==== =============================================================
code meaning
==== =============================================================
1    one or more jobs of several failed; each said why
2    this machine is not set up (container engine, emulation, tools), or one of its disks is
     full, read-only, gone or not ours to write
3    a wrong name, option or configuration file
4    a download failed or did not match its sha256
5    the cross build failed
6    the conversion failed, or its proof did
7    no such host
8    the host refuses the connection, is unreachable, or does not answer
9    the host rejects our key
10   the host's key changed
11   the board cannot run what was built, or lacks a program piyard needs
12   the board's disk is full
13   a command failed on the board
14   the emulated board did not start
15   a stored log or result cannot be read
16   somebody else holds the board
17   a run was interrupted on the board, or keeps running there without us
18   the host's key is unknown, and only known ones are accepted
19   slower than ``--fail-above`` allows
20   no row of a benchmark can be used: all are INVALID
21   a camera, stream or film gave no frame, or broke off
==== =============================================================
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from invoke.exceptions import Exit

from piyard.core.text import sanitize_line, sanitize_text


def _called_as() -> str:
    """How the user called piyard. ``yard`` says so itself, and only to this process."""
    called = Path(sys.argv[0] if sys.argv else "")
    by_path = {"__main__.py": "python -m piyard"} if called.parent.name == "piyard" else {}
    by_name = {name: name for name in ("inv", "piyard")}
    return os.environ.pop("PIYARD_CALLED_AS", "") or (by_path | by_name).get(called.name, "invoke")


PROGRAM = _called_as()
"""What a remedy's command begins with."""

MAX_EVIDENCE_LINES, MAX_LINE_LENGTH = 60, 2000
"""How much is shown: the last lines of evidence, and the first characters of a line."""


class PiyardError(Exit):
    """A failure the user can act on: ``what`` failed, its ``evidence``, and the ``remedy``."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, remedy: str = "", evidence: str = "") -> None:
        self.what, self.remedy, self.evidence = what, remedy, evidence
        super().__init__(self._text(), self.exit_code)

    def _text(self) -> str:
        """It may quote a board or a file, so control characters are taken out."""
        lines = self.evidence.strip().splitlines()[-MAX_EVIDENCE_LINES:]
        evidence = "".join(f"\n    {sanitize_line(line[:MAX_LINE_LENGTH])}" for line in lines)
        remedy = f"\n  → {sanitize_text(self.remedy)}" if self.remedy else ""
        return f"piyard: {sanitize_text(self.what[:MAX_LINE_LENGTH])}{evidence}{remedy}"

    def __str__(self) -> str:
        return self._text()


class JobsFailed(PiyardError):
    """Some of several jobs failed; the others are done."""

    exit_code = 1


class NotSetUp(PiyardError):
    """The machine lacks a container engine, emulation or a tool."""

    exit_code = 2


class DiskUnusable(NotSetUp):
    """A path on this machine that is full, read-only, gone or not ours to write."""


class WrongInput(PiyardError):
    """A name, option or configuration file that piyard cannot accept."""

    exit_code = 3


class DownloadFailed(PiyardError):
    """A file could not be fetched, or is not the file that was pinned."""

    exit_code = 4


class BuildFailed(PiyardError):
    """The compiler or CMake failed."""

    exit_code = 5


class ConversionFailed(PiyardError):
    """A model could not be converted, or the converted one computes something else."""

    exit_code = 6


class NoSuchHost(PiyardError):
    """A host name that nothing resolves."""

    exit_code = 7


class HostUnreachable(PiyardError):
    """A host that refuses the connection, is unplugged, or accepts and then sends nothing."""

    exit_code = 8


class KeyRejected(PiyardError):
    """A host that answers and does not accept our key."""

    exit_code = 9


class HostKeyChanged(PiyardError):
    """A host that presents another key than the one pinned."""

    exit_code = 10


class WrongBoard(PiyardError):
    """A machine that cannot run what was built for the target."""

    exit_code = 11


class BoardDiskFull(PiyardError):
    """No room on the board."""

    exit_code = 12


class BoardCommandFailed(PiyardError):
    """A command on the board ended with an error, or was ended at its time limit."""

    exit_code = 13


class BoardTooSlow(BoardCommandFailed):
    """A command that was ended on the board at its time limit."""


class EmulationFailed(PiyardError):
    """An emulated board did not come up."""

    exit_code = 14


class UnreadableLog(PiyardError):
    """A stored log or result that is cut, empty or of an unknown version."""

    exit_code = 15


class BoardBusy(PiyardError):
    """Somebody else holds the board, and did not release it in time."""

    exit_code = 16


class RunNotEnded(PiyardError):
    """A run that the board lost, that was cancelled, or that keeps running there without us."""

    exit_code = 17

    def __init__(
        self,
        what: str,
        *,
        remedy: str = "",
        evidence: str = "",
        interrupted: bool = False,
        keeps_running: bool = False,
    ) -> None:
        self.interrupted = interrupted
        """Whether the board lost it: then it may be run again."""
        self.keeps_running = keeps_running
        """Whether it runs on the board still: then it is not repeated."""
        super().__init__(what, remedy=remedy, evidence=evidence)


class UnknownHostKey(PiyardError):
    """A host never seen before, where only known ones are accepted."""

    exit_code = 18


class SlowerThanAllowed(PiyardError):
    """A comparison that found more than ``--fail-above`` allows."""

    exit_code = 19


class NothingValid(PiyardError):
    """A benchmark without a single valid row."""

    exit_code = 20


class SourceFailed(PiyardError):
    """A camera, a stream or a film that gave no frame, or broke off."""

    exit_code = 21


def did_you_mean(name: str, legal: Iterable[str]) -> str:
    """``", did you mean 'x'?"`` for the legal name closest to ``name``, or nothing."""
    by_plain = {item.lower().replace("-", "_"): item for item in legal}
    plain = name.lower().replace("-", "_")
    close = difflib.get_close_matches(plain, by_plain, n=1, cutoff=0.5)
    return f", did you mean '{by_plain[close[0]]}'?" if close else ""


def unknown_name(kind: str, name: str, legal: Iterable[str]) -> WrongInput:
    """The error for a name that is not one of the ``legal`` ones."""
    names = sorted(legal)
    return WrongInput(
        f"unknown {kind} '{name}'{did_you_mean(name, names)}",
        remedy=f"known: {', '.join(names)}" if names else f"no {kind} is defined yet",
    )
