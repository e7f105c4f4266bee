"""Boards of a labgrid farm: a place is reserved, acquired, and given back whatever happens.

This talks to the coordinator by labgrid's own gRPC stub: its ClientSession shares one connection
in a process, which the coordinator refuses to the second board, and labgrid-client prints for
people. Only switching power runs labgrid-client: its drivers keep state for the whole process and
have no time limit, so they get a process of their own, which can be ended.

Nothing has to be kept alive while a board is used: an acquired place stays acquired, and the
coordinator itself refreshes its reservation.
"""

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
    with acquired(entry, wait_s=wait_s) as acquired_place:
        return switch(acquired_place, action)


def switch(acquired_place: Acquired, action: str) -> str:
    """Switch an acquired place's power ``on``, ``off``, ``cycle`` it, or ``get`` it.

    The result is ``on`` or ``off``, as reported or as switched. Raises ``WrongInput``
    for a place without a power port and ``BoardCommandFailed`` when the port does not obey.
    """
    _check(action)
    output = _ask_client(acquired_place, action)
    is_off = output.strip().endswith(" off") if action == "get" else action == "off"
    return "off" if is_off else "on"


def _check(action: str) -> None:
    if action not in ACTIONS:
        raise unknown("power action", action, ACTIONS)


def _ask_client(acquired_place: Acquired, action: str) -> str:
    try:
        done = subprocess.run(
            _command(acquired_place, action),
            env=_without_environment_file(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(acquired_place, action, f"nothing within {LIMIT_S} s") from None
    if done.returncode:
        raise _failed(acquired_place, action, done.stderr)
    return done.stdout


def _command(acquired_place: Acquired, action: str) -> list[str]:
    client = [sys.executable, "-m", "labgrid.remote.client"]
    return [
        *client,
        f"--coordinator={acquired_place.coordinator}",
        f"--place={acquired_place.place}",
        "power",
        action,
    ]


def _without_environment_file() -> dict[str, str]:
    """The user's labgrid environment is for other places and would change what power means."""
    other = {"LG_ENV", "LG_STATE", "LG_INITIAL_STATE", "STATE"}
    return {name: value for name, value in os.environ.items() if name not in other}


def _failed(acquired_place: Acquired, action: str, output: str) -> PiyardError:
    if "no compatible resource" in output:
        return WrongInput(
            f"place {acquired_place.place} has no power port that labgrid can switch",
            remedy="export a NetworkPowerPort or the like, and match it: labgrid-client add-match",
        )
    return BoardCommandFailed(
        f"power {action} of place {acquired_place.place} failed",
        evidence="\n".join(output.strip().splitlines()[-1:]),
        remedy="is its power switch on the network, and its model and index right?",
    )
