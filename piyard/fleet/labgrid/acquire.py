"""A board of the farm, ours for a while."""

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
    """The entry's place, ours while the body runs and given back however it ends.

    A place that the user acquired by hand, or was allowed to use, is used and not given back.
    What the entry says of user and port comes before what the place says.
    Raises ``BoardBusy``, naming the holders, when none is free within ``wait_s`` seconds,
    ``WrongInput`` for an unknown place or one without a NetworkService, ``HostUnreachable``
    without a coordinator, and ``NotSetUp`` without labgrid.
    """
    farm = coordinator.find(entry.coordinator)
    until = time.monotonic() + wait_s
    with session.opened(farm) as here:
        wanted = place.filter_for(here.places, entry)
        ours = _ours(here, entry)
    with nullcontext(ours) if ours else _taken(farm, wanted, entry, until) as held:
        login.hint_at_jump(held, entry)
        yield held


def _ours(here: session.Session, entry: Entry) -> Acquired | None:
    """The place by name if the user holds it by hand, or may use it together with its holder.

    A run's own place has a reservation, so that two runs of one user stay apart.
    """
    if not entry.place:
        return None
    found, me = place.by_name(here.places, entry.place), session.me()
    by_hand = found.reservation in {None, os.environ.get("LG_TOKEN")}
    may = me in found.allowed or (found.acquired == me and by_hand)
    return login.of_place(here, found, entry) if may else None


@contextmanager
def _taken(farm: str, wanted: dict[str, str], entry: Entry, until: float) -> Iterator[Acquired]:
    """A place reserved and acquired while the body runs."""
    with reservation.reserved(farm, wanted, until) as kept, ExitStack() as giving_back:
        held = reservation.wait_for(lambda: _attempt(farm, kept, entry, giving_back), until)
        if held is None:
            raise _resources_busy(farm, kept.place)
        yield held


def _attempt(farm: str, kept: Kept, entry: Entry, giving_back: ExitStack) -> Acquired | None:
    """Acquire the place, or None while something else uses its resources."""
    with session.opened(farm) as here:
        reservation.place_of(here.stub, kept.token)  # or it expires while we try
        held = login.of_place(here, place.by_name(here.places, kept.place), entry)
        giving_back.callback(_release, farm, kept.place)  # interrupted, it may have succeeded
        if _acquire(here.stub, kept.place):
            return held
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
    """Only from ourselves: whoever has the place by now may keep it."""
    ours = {"placename": name, "fromuser": session.me()}
    coordinator.give_back(farm, f"-p {name} release", "ReleasePlace", **ours)


def _resources_busy(farm: str, name: str) -> BoardBusy:
    with session.opened(farm) as here:
        has = here.of_place(place.by_name(here.places, name))
    return BoardBusy(
        f"the resources of place {name} cannot be acquired",
        evidence="\n".join(f"{r} is used by place {r.acquired}" for r in has if r.acquired),
        remedy=f"see labgrid-client -p {name} show, or wait longer",
    )
