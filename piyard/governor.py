"""The CPU's frequency governor of a run: set on the board where sudo asks for no password.

The board itself sets it before a run and puts it back after it, whatever happens to the link. What
a killed run left changed is put back by whoever holds the board next, or by ``restore``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from piyard.release import HOME
from piyard.ssh import Session

CPUFREQ = "/sys/devices/system/cpu/cpufreq"
FILE = "governor"
SAID = re.compile(r"(?P<before>[a-z_]+) (?P<during>[a-z_]+)\n?")


class Governor(msgspec.Struct, frozen=True, kw_only=True):
    """The governor of a board before and during a run."""

    before: str
    during: str


def read(folder: Path) -> Governor | None:
    """The governors of a run, from its folder; None if the board shows none."""
    try:
        match = SAID.fullmatch((folder / FILE).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return Governor(**match.groupdict()) if match else None


def restore(session: Session) -> Literal["", "restored", "kept"]:
    """Restore the governor that a killed run changed; ``kept`` if sudo wants a password by now."""
    answer = session.script("governor_restore", HOME).out.strip()
    return "restored" if answer == "restored" else "kept" if answer == "kept" else ""
