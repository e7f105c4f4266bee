"""The lock on a board, and the CPU's frequency governor, which its holder may set.

One run at a time holds the lock by a token for a while, without a server. The board itself sets the
governor before a run, if sudo asks for no password, and restores it after the run, whatever happens
to the connection. What a killed run changed is restored by the next holder, or by
``restore_governor``.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import socket
import time
from pathlib import Path
from typing import Literal

import msgspec

from piyard.board.release import HOME
from piyard.board.ssh.errors import disk_full
from piyard.board.ssh.session import Session
from piyard.core import console
from piyard.core.cancel import raise_if_requested
from piyard.core.errors import PROGRAM, BoardBusy, BoardCommandFailed, PiyardError

LEASE_SECONDS = 60
"""How long a lease lasts if its holder does not renew it."""
LEASE_WAIT_S = 1800
LEASE_PAUSE_S = 2.0
SCRIPT_LIMIT_S = 600


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Our claim to a board; the same token serves all that one command does there."""

    token: str
    owner: str
    seconds: int = LEASE_SECONDS
    wait_s: float = LEASE_WAIT_S
    """How long to wait for somebody else; 0 fails at once."""


def new_lease(what: str, *, wait_s: float = LEASE_WAIT_S) -> Lease:
    """A new lease; ``what`` tells others what the board is used for."""
    owner = f"{getpass.getuser()}@{socket.gethostname()} (process {os.getpid()}), {what}"
    return Lease(
        token=secrets.token_hex(8),
        owner=" ".join(owner.split()),
        seconds=LEASE_SECONDS,
        wait_s=wait_s,
    )


class LeaseWait:
    """Waits for a board's holder, within the lease's limit, and reports once who it is."""

    def __init__(self, name: str, lease: Lease) -> None:
        self._name, self._wait_s = name, lease.wait_s
        self._end = time.monotonic() + lease.wait_s
        self._reported = ""

    def on(self, answer: str) -> None:
        """Wait a little after ``busy SECONDS OWNER``; raises ``BoardBusy`` when the time is up."""
        raise_if_requested()
        _, _, rest = answer.partition(" ")
        left, _, owner = rest.partition(" ")
        if time.monotonic() + LEASE_PAUSE_S > self._end:
            raise BoardBusy(
                f"{self._name} is held by {owner}",
                evidence=f"for {left} more seconds, unless renewed",
                remedy=f"wait (without --no-wait), or take another board; {PROGRAM} fleet.locks",
            )
        if owner != self._reported:
            console.info(f"{self._name} is held by {owner}; waiting up to {self._wait_s:.0f} s")
            self._reported = owner
        time.sleep(LEASE_PAUSE_S)


def require_lock_written(name: str, answer: str) -> None:
    """Raise if the board answered that its lock cannot be written or guarded."""
    if answer == "full":
        raise disk_full(name, "its lock could not be written")
    if answer == "unguarded":
        raise BoardCommandFailed(
            f"{name}: its lock cannot be guarded",
            remedy="the board needs flock, of util-linux: sudo apt-get install util-linux",
        )


def run_leased_script(session: Session, lease: Lease, name: str, *arguments: str) -> str:
    """The output of a script that takes the lease itself, after waiting for another holder."""
    waiting = LeaseWait(session.name, lease)
    while True:
        answer = session.script(name, *arguments, limit_s=SCRIPT_LIMIT_S).out.strip()
        require_lock_written(session.name, answer)
        if not answer.startswith("busy "):
            return answer
        waiting.on(answer)


def release_lease(session: Session, lease: Lease) -> None:
    """Release the lease; on a board that cannot be reached it expires."""
    try:
        session.script("lease_take", HOME, lease.token, "0", lease.owner)
    except PiyardError as error:
        console.info(f"{error.what}; it is free again in {lease.seconds} s")


def lease_holder(session: Session) -> str:
    """Who holds the board, as ``SECONDS OWNER``; empty when it is free."""
    answer = session.script("locks", HOME).out.strip()
    return answer.removeprefix("busy ") if answer.startswith("busy ") else ""


CPUFREQ = "/sys/devices/system/cpu/cpufreq"
GOVERNOR_FILE = "governor"
GOVERNOR_LINE = re.compile(r"(?P<before>[a-z_]+) (?P<during>[a-z_]+)\n?")


class Governor(msgspec.Struct, frozen=True, kw_only=True):
    """The governor of a board before and during a run."""

    before: str
    during: str


def read_governor(folder: Path) -> Governor | None:
    """The governors of a run, from its folder; None if the board shows none."""
    try:
        match = GOVERNOR_LINE.fullmatch(
            (folder / GOVERNOR_FILE).read_text(encoding="utf-8", errors="replace")
        )
    except OSError:
        return None
    return Governor(**match.groupdict()) if match else None


def restore_governor(session: Session) -> Literal["", "restored", "kept"]:
    """Restore the governor that a killed run changed; ``kept`` if sudo wants a password by now."""
    answer = session.script("governor_restore", HOME).out.strip()
    return "restored" if answer == "restored" else "kept" if answer == "kept" else ""
