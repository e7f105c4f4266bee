"""The lock on a board, and the CPU's frequency governor, which its holder may set.

One run at a time holds the lock by a token for a while, without a server. The board itself sets the
governor before a run, if sudo asks for no password, and restores it after the run, whatever happens
to the connection. What a killed run changed is restored by the next holder, or by ``restore``.
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
