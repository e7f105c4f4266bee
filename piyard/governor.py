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
    """Which governor a board had before a run, and which one while it ran."""

    before: str
    during: str


def read(folder: Path) -> Governor | None:
    """The governors of a run, from its folder; None where the board has none that it tells."""
    try:
        said = SAID.fullmatch((folder / FILE).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return Governor(**said.groupdict()) if said else None


def restore(session: Session) -> Literal["", "restored", "kept"]:
    """Put back what a killed run left: ``kept`` where sudo wants a password by now."""
    said = session.script("governor_restore", HOME).out.strip()
    return "restored" if said == "restored" else "kept" if said == "kept" else ""
