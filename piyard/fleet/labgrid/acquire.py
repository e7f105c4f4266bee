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
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from piyard.errors import BoardBusy
from piyard.fleet.inventory import Entry
from piyard.fleet.labgrid import coordinator, login, place, reservation, session
from piyard.fleet.labgrid.login import Acquired
from piyard.fleet.labgrid.reservation import Kept


@contextmanager
def acquired(entry: Entry, *, wait_s: float) -> Iterator[Acquired]:
    """The entry's place, acquired while the body runs and given back however it ends.

    A place that the user acquired by hand, or is allowed to use, is used and not given back.
    The entry's user and port override the place's.
    Raises ``BoardBusy``, naming the holders, when none is free within ``wait_s`` seconds,
    ``WrongInput`` for an unknown place or one without a NetworkService, ``HostUnreachable``
    without a coordinator, and ``NotSetUp`` without labgrid.
    """
    farm = coordinator.find(entry.coordinator)
    until = time.monotonic() + wait_s
    with session.opened(farm) as farm_session:
        tags = place.filter_for(farm_session.places, entry)
        ours = _ours(farm_session, entry)
    with nullcontext(ours) if ours else _taken(farm, tags, entry, until) as acquired_place:
        login.hint_at_jump(acquired_place, entry)
        yield acquired_place


def _ours(farm_session: session.Session, entry: Entry) -> Acquired | None:
    """The place by name if the user acquired it by hand, or is allowed to use it with its holder.

    A run's own place has a reservation, so that two runs of one user stay apart.
    """
    if not entry.place:
        return None
    ours, me = place.by_name(farm_session.places, entry.place), session.me()
    by_hand = ours.reservation in {None, os.environ.get("LG_TOKEN")}
    usable = me in ours.allowed or (ours.acquired == me and by_hand)
    return login.of_place(farm_session, ours, entry) if usable else None


@contextmanager
def _taken(farm: str, tags: dict[str, str], entry: Entry, until: float) -> Iterator[Acquired]:
    """A place reserved and acquired while the body runs."""
    with reservation.reserved(farm, tags, until) as kept, ExitStack() as giving_back:
        acquired_place = reservation.wait_for(
            lambda: _attempt(farm, kept, entry, giving_back), until
        )
        if acquired_place is None:
            raise _resources_busy(farm, kept.place)
        yield acquired_place


def _attempt(farm: str, kept: Kept, entry: Entry, giving_back: ExitStack) -> Acquired | None:
    """Acquire the place; None while something else uses its resources."""
    with session.opened(farm) as farm_session:
        reservation.place_of(farm_session.stub, kept.token)  # or it expires while we try
        acquired_place = login.of_place(
            farm_session, place.by_name(farm_session.places, kept.place), entry
        )
        giving_back.callback(_release, farm, kept.place)  # interrupted, it may have succeeded
        if _acquire(farm_session.stub, kept.place):
            return acquired_place
        giving_back.pop_all()
        return None


def _acquire(stub: Any, name: str) -> bool:
    import grpc

    try:
        coordinator.call(stub, "AcquirePlace", placename=name)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
            raise
        return False
    return True


def _release(farm: str, name: str) -> None:
    """Release it only from ourselves: somebody else may have acquired it since."""
    ours = {"placename": name, "fromuser": session.me()}
    coordinator.give_back(farm, f"-p {name} release", "ReleasePlace", **ours)


def _resources_busy(farm: str, name: str) -> BoardBusy:
    with session.opened(farm) as farm_session:
        resources = farm_session.of_place(place.by_name(farm_session.places, name))
    return BoardBusy(
        f"the resources of place {name} cannot be acquired",
        evidence="\n".join(f"{r} is used by place {r.acquired}" for r in resources if r.acquired),
        remedy=f"see labgrid-client -p {name} show, or wait longer",
    )
