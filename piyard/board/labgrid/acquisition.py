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
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import msgspec

from piyard.board.fleet.inventory import BoardEntry
from piyard.board.labgrid.coordinator import (
    FarmSession,
    Resource,
    call_coordinator,
    find_coordinator,
    give_back,
    open_session,
    own_name,
)
from piyard.board.labgrid.places import (
    Reservation,
    find_place,
    poll_reservation,
    poll_until,
    reservation_filter,
    reserve_place,
)
from piyard.board.ssh.address import DEFAULT_PORT, Address, parse_address
from piyard.core import console
from piyard.core.errors import BoardBusy, BoardCommandFailed, PiyardError, WrongInput, unknown_name
from piyard.core.parsing import JsonObject


@contextmanager
def acquire_place(entry: BoardEntry, *, wait_s: float) -> Iterator[AcquiredPlace]:
    """The entry's place, acquired while the body runs and given back however it ends.

    A place that the user acquired by hand, or is allowed to use, is used and not given back.
    The entry's user and port override the place's.
    Raises ``BoardBusy``, naming the holders, when none is free within ``wait_s`` seconds,
    ``WrongInput`` for an unknown place or one without a NetworkService, ``HostUnreachable``
    without a coordinator, and ``NotSetUp`` without labgrid.
    """
    farm = find_coordinator(entry.coordinator)
    until = time.monotonic() + wait_s
    with open_session(farm) as farm_session:
        tags = reservation_filter(farm_session.places, entry)
        ours = _find_own(farm_session, entry)
    with nullcontext(ours) if ours else _take_place(farm, tags, entry, until) as acquired_place:
        hint_at_jump(acquired_place, entry)
        yield acquired_place


def _find_own(farm_session: FarmSession, entry: BoardEntry) -> AcquiredPlace | None:
    """The place by name if the user acquired it by hand, or is allowed to use it with its holder.

    A run's own place has a reservation, so that two runs of one user stay apart.
    """
    if not entry.place:
        return None
    ours, me = find_place(farm_session.places, entry.place), own_name()
    by_hand = ours.reservation in {None, os.environ.get("LG_TOKEN")}
    usable = me in ours.allowed or (ours.acquired == me and by_hand)
    return place_login(farm_session, ours, entry) if usable else None


@contextmanager
def _take_place(
    farm: str, tags: dict[str, str], entry: BoardEntry, until: float
) -> Iterator[AcquiredPlace]:
    """A place reserved and acquired while the body runs."""
    with reserve_place(farm, tags, until) as kept, ExitStack() as giving_back:
        acquired_place = poll_until(lambda: _try_to_acquire(farm, kept, entry, giving_back), until)
        if acquired_place is None:
            raise _resources_busy(farm, kept.place)
        yield acquired_place


def _try_to_acquire(
    farm: str, kept: Reservation, entry: BoardEntry, giving_back: ExitStack
) -> AcquiredPlace | None:
    """Acquire the place; None while something else uses its resources."""
    with open_session(farm) as farm_session:
        poll_reservation(farm_session.stub, kept.token)  # or it expires while we try
        acquired_place = place_login(
            farm_session, find_place(farm_session.places, kept.place), entry
        )
        giving_back.callback(_release_place, farm, kept.place)  # interrupted, it may have succeeded
        if _call_acquire(farm_session.stub, kept.place):
            return acquired_place
        giving_back.pop_all()
        return None


def _call_acquire(stub: Any, name: str) -> bool:
    import grpc

    try:
        call_coordinator(stub, "AcquirePlace", placename=name)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
            raise
        return False
    return True


def _release_place(farm: str, name: str) -> None:
    """Release it only from ourselves: somebody else may have acquired it since."""
    ours = {"placename": name, "fromuser": own_name()}
    give_back(farm, f"-p {name} release", "ReleasePlace", **ours)


def _resources_busy(farm: str, name: str) -> BoardBusy:
    with open_session(farm) as farm_session:
        resources = farm_session.of_place(find_place(farm_session.places, name))
    return BoardBusy(
        f"the resources of place {name} cannot be acquired",
        evidence="\n".join(f"{r} is used by place {r.acquired}" for r in resources if r.acquired),
        remedy=f"see labgrid-client -p {name} show, or wait longer",
    )


class AcquiredPlace(msgspec.Struct, frozen=True, kw_only=True):
    """An acquired place, and how to log in to its board."""

    place: str
    address: str
    port: int
    user: str
    """Empty when neither the entry nor the place names one."""
    behind: str
    """The only host that reaches it, as its exporter says; empty if any does."""
    coordinator: str


def place_login(farm_session: FarmSession, place: Any, entry: BoardEntry) -> AcquiredPlace:
    """The login of a place; the entry's user and port override the place's.

    Raises ``WrongInput`` for a place without a NetworkService, or with an invalid one.
    """
    service = _network_service(farm_session, place)
    login_address = _place_address(place.name, service, entry)
    extra = service["extra"]
    return AcquiredPlace(
        place=place.name,
        address=login_address.host,
        port=login_address.port,
        user=login_address.user,
        behind=(extra.get("proxy") or "") if extra.get("proxy_required") else "",
        coordinator=farm_session.farm,
    )


def hint_at_jump(acquired: AcquiredPlace, entry: BoardEntry) -> None:
    """Tell the user if the board is only reached through a host that the entry does not name."""
    if acquired.behind and not entry.jump:
        console.info(
            f"place {acquired.place} is only reached through {acquired.behind}: "
            "name that host as the board's jump in the fleet file"
        )


def _place_address(name: str, service: JsonObject, entry: BoardEntry) -> Address:
    login_address = Address(
        host=service.get("address") or "",
        user=entry.user or service.get("username") or "",
        port=entry.port or service.get("port") or DEFAULT_PORT,
    )
    try:
        return parse_address(str(login_address))
    except WrongInput:  # the exporter's file is written by hand too
        raise WrongInput(
            f"the NetworkService of place {name} is not a host to log in to: '{login_address}'",
            remedy="correct its address, port and username in the exporter's file",
        ) from None


def _network_service(farm_session: FarmSession, place: Any) -> JsonObject:
    """The place's only NetworkService, or the one named ``default``, as labgrid chooses."""
    resources = farm_session.of_place(place)
    services = [resource for resource in resources if resource.path[2] == "NetworkService"]
    default = [resource for resource in services if _resource_name(place, resource) == "default"]
    for choice in (services, default):
        if len(choice) == 1:
            return choice[0].params
    raise _no_service(place, resources, several=bool(services))


def _resource_name(place: Any, resource: Resource) -> str:
    return place.getmatch(resource.path).rename or resource.path[3]


def _no_service(place: Any, resources: list[Resource], *, several: bool) -> WrongInput:
    return WrongInput(
        f"place {place.name} has {'more than one' if several else 'no'} NetworkService",
        evidence=_describe_resources(place, resources),
        remedy="name one of them 'default': labgrid-client add-named-match"
        if several
        else "export a NetworkService and match it: labgrid-client add-match",
    )


def _describe_resources(place: Any, resources: list[Resource]) -> str:
    """The resources of a place, and those it should have but no exporter offers now."""
    lines = [f"it has {resource}" for resource in resources] or ["it has no resource"]
    paths = [resource.path for resource in resources]
    missing = [match for match in place.matches if not any(map(match.ismatch, paths))]
    return "\n".join(lines + [f"no exporter offers {match}" for match in missing])


POWER_ACTIONS = ("on", "off", "cycle", "get")
POWER_LIMIT_S = 60


def switch_power(entry: BoardEntry, action: str, *, wait_s: float) -> str:
    """Acquire the entry's place and switch its power; raises as ``acquired`` and ``switch``."""
    _check_action(action)
    with acquire_place(entry, wait_s=wait_s) as acquired_place:
        return switch_acquired(acquired_place, action)


def switch_acquired(acquired_place: AcquiredPlace, action: str) -> str:
    """Switch an acquired place's power ``on``, ``off``, ``cycle`` it, or ``get`` it.

    The result is ``on`` or ``off``, as reported or as switched. Raises ``WrongInput``
    for a place without a power port and ``BoardCommandFailed`` when the port does not obey.
    """
    _check_action(action)
    output = _run_client(acquired_place, action)
    is_off = output.strip().endswith(" off") if action == "get" else action == "off"
    return "off" if is_off else "on"


def _check_action(action: str) -> None:
    if action not in POWER_ACTIONS:
        raise unknown_name("power action", action, POWER_ACTIONS)


def _run_client(acquired_place: AcquiredPlace, action: str) -> str:
    try:
        done = subprocess.run(
            _client_argv(acquired_place, action),
            env=_without_environment_file(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=POWER_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _power_failed(acquired_place, action, f"nothing within {POWER_LIMIT_S} s") from None
    if done.returncode:
        raise _power_failed(acquired_place, action, done.stderr)
    return done.stdout


def _client_argv(acquired_place: AcquiredPlace, action: str) -> list[str]:
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


def _power_failed(acquired_place: AcquiredPlace, action: str, output: str) -> PiyardError:
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
