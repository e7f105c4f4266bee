"""The lock on a board, and the CPU's frequency governor, which its holder may set.

One run at a time holds the lock by a token for a while, without a server. The board itself sets the
governor before a run, if sudo asks for no password, and restores it after the run, whatever happens
to the connection. What a killed run changed is restored by the next holder, or by ``restore``.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import time

import msgspec

from piyard import say, stop
from piyard.errors import BoardBusy, BoardCommandFailed, PiyardError
from piyard.release import HOME
from piyard.ssh import Session, disk_full

SECONDS = 60
"""How long a lease lasts if its holder does not renew it."""
WAIT_S = 1800
PAUSE_S = 2.0
SCRIPT_LIMIT_S = 600


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Our claim to a board; the same token serves all that one command does there."""

    token: str
    owner: str
    seconds: int = SECONDS
    wait_s: float = WAIT_S
    """How long to wait for somebody else; 0 fails at once."""


def new(what: str, *, wait_s: float = WAIT_S) -> Lease:
    """A new lease; ``what`` tells others what the board is used for."""
    owner = f"{getpass.getuser()}@{socket.gethostname()} (process {os.getpid()}), {what}"
    return Lease(
        token=secrets.token_hex(8), owner=" ".join(owner.split()), seconds=SECONDS, wait_s=wait_s
    )


class Waiting:
    """Waits for a board's holder, within the lease's limit, and reports once who it is."""

    def __init__(self, name: str, lease: Lease) -> None:
        self._name, self._wait_s = name, lease.wait_s
        self._end = time.monotonic() + lease.wait_s
        self._reported = ""

    def on(self, answer: str) -> None:
        """Wait a little after ``busy SECONDS OWNER``; raises ``BoardBusy`` when the time is up."""
        stop.check()
        _, _, rest = answer.partition(" ")
        left, _, owner = rest.partition(" ")
        if time.monotonic() + PAUSE_S > self._end:
            raise BoardBusy(
                f"{self._name} is held by {owner}",
                evidence=f"for {left} more seconds, unless renewed",
                remedy="wait (without --no-wait), or take another board; invoke fleet.locks",
            )
        if owner != self._reported:
            say.note(f"{self._name} is held by {owner}; waiting up to {self._wait_s:.0f} s")
            self._reported = owner
        time.sleep(PAUSE_S)


def refuse(name: str, answer: str) -> None:
    """Raise if the board answered that its lock cannot be written or guarded."""
    if answer == "full":
        raise disk_full(name, "its lock could not be written")
    if answer == "unguarded":
        raise BoardCommandFailed(
            f"{name}: its lock cannot be guarded",
            remedy="the board needs flock, of util-linux: sudo apt-get install util-linux",
        )


def script(session: Session, lease: Lease, name: str, *arguments: str) -> str:
    """The output of a script that takes the lease itself, after waiting for another holder."""
    waiting = Waiting(session.name, lease)
    while True:
        answer = session.script(name, *arguments, limit_s=SCRIPT_LIMIT_S).out.strip()
        refuse(session.name, answer)
        if not answer.startswith("busy "):
            return answer
        waiting.on(answer)


def let_go(session: Session, lease: Lease) -> None:
    """Release the lease; on a board that cannot be reached it expires."""
    try:
        session.script("lease_take", HOME, lease.token, "0", lease.owner)
    except PiyardError as error:
        say.note(f"{error.what}; it is free again in {lease.seconds} s")


def holder(session: Session) -> str:
    """Who holds the board, as ``SECONDS OWNER``; empty when it is free."""
    answer = session.script("locks", HOME).out.strip()
    return answer.removeprefix("busy ") if answer.startswith("busy ") else ""
