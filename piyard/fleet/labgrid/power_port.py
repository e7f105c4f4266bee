"""The power port of a place, switched by labgrid-client."""

from __future__ import annotations

import os
import subprocess
import sys

from piyard.errors import BoardCommandFailed, PiyardError, WrongInput, unknown
from piyard.fleet.inventory import Entry
from piyard.fleet.labgrid.acquire import acquired
from piyard.fleet.labgrid.login import Acquired

ACTIONS = ("on", "off", "cycle", "get")
LIMIT_S = 60


def power(entry: Entry, action: str, *, wait_s: float) -> str:
    """Acquire the entry's place and switch its power; raises as ``acquired`` and ``switch``."""
    _check(action)
    with acquired(entry, wait_s=wait_s) as held:
        return switch(held, action)


def switch(held: Acquired, action: str) -> str:
    """Switch an acquired place's power ``on``, ``off``, ``cycle`` it, or ``get`` it.

    The answer is ``on`` or ``off``: what the port said, or was told to be. Raises ``WrongInput``
    for a place without a power port and ``BoardCommandFailed`` when the port does not obey.
    """
    _check(action)
    said = _ask_client(held, action)
    is_off = said.strip().endswith(" off") if action == "get" else action == "off"
    return "off" if is_off else "on"


def _check(action: str) -> None:
    if action not in ACTIONS:
        raise unknown("power action", action, ACTIONS)


def _ask_client(held: Acquired, action: str) -> str:
    try:
        done = subprocess.run(
            _command(held, action),
            env=_without_environment_file(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(held, action, f"nothing within {LIMIT_S} s") from None
    if done.returncode:
        raise _failed(held, action, done.stderr)
    return done.stdout


def _command(held: Acquired, action: str) -> list[str]:
    client = [sys.executable, "-m", "labgrid.remote.client"]
    return [*client, f"--coordinator={held.coordinator}", f"--place={held.place}", "power", action]


def _without_environment_file() -> dict[str, str]:
    """The user's labgrid environment is for other places and would change what power means."""
    other = {"LG_ENV", "LG_STATE", "LG_INITIAL_STATE", "STATE"}
    return {name: value for name, value in os.environ.items() if name not in other}


def _failed(held: Acquired, action: str, said: str) -> PiyardError:
    if "no compatible resource" in said:
        return WrongInput(
            f"place {held.place} has no power port that labgrid can switch",
            remedy="export a NetworkPowerPort or the like, and match it: labgrid-client add-match",
        )
    return BoardCommandFailed(
        f"power {action} of place {held.place} failed",
        evidence="\n".join(said.strip().splitlines()[-1:]),
        remedy="is its power switch on the network, and its model and index right?",
    )
