"""The places of a farm: their names, tags and holders, and the reservation of a free one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from piyard import deadline, say, stop
from piyard.errors import BoardBusy
from piyard.fleet.labgrid import coordinator, holders, session

T = TypeVar("T")

PAUSE_S = 1.0


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation, and the name of its place."""

    token: str
    place: str


@contextmanager
def reserved(farm: str, tags: dict[str, str], until: float) -> Iterator[Kept]:
    """The first free place with those tags, reserved for us while the body runs.

    Raises ``BoardBusy``, naming the holders, if none is free by ``until``, a monotonic time.
    """
    token = _reserve(farm, tags)
    try:
        yield Kept(token=token, place=_await_place(farm, token, tags, until))
    finally:
        by_hand = f"cancel-reservation {token}"
        coordinator.give_back(farm, by_hand, "CancelReservation", token=token)


def place_of(stub: Any, token: str) -> str | None:
    """The place reserved for us, if there is one yet; polling keeps the reservation alive."""
    from labgrid.remote.common import ReservationState

    reservation = coordinator.call(stub, "PollReservation", token=token).reservation
    state = ReservationState(reservation.state)
    if state in {ReservationState.expired, ReservationState.invalid}:
        raise BoardBusy(
            f"labgrid's reservation {token} is {state.name}",
            remedy="it was not polled for a minute, or its place was deleted; try again",
        )
    return dict(reservation.allocations).get("main")


def wait_for(poll: Callable[[], T | None], until: float) -> T | None:
    """The result of ``poll`` once it is not None; None at the time ``until``."""

    def check() -> T | None:
        stop.check()
        return poll()

    return deadline.poll(check, until - time.monotonic(), PAUSE_S)


def _reserve(farm: str, tags: dict[str, str]) -> str:
    from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

    filters = {"main": messages.Reservation.Filter(filter=tags)}
    with session.opened(farm) as farm_session:
        reply = coordinator.call(farm_session.stub, "CreateReservation", filters=filters)
        return str(reply.reservation.token)


def _await_place(farm: str, token: str, tags: dict[str, str], until: float) -> str:
    with coordinator.connected(farm) as stub:
        name = place_of(stub, token)
        if name is None and until > time.monotonic():
            say.note(f"waiting: {'; '.join(holders.holdings(stub, token, tags))}")
            name = wait_for(lambda: place_of(stub, token), until)
        if name is None:
            raise holders.busy(holders.holdings(stub, token, tags), tags)
    return name
