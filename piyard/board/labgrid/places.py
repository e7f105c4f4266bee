"""The places of a farm: their names, tags and holders, and the reservation of a free one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from piyard.board.fleet.inventory import BoardEntry
from piyard.board.labgrid.coordinator import (
    call_coordinator,
    connect_coordinator,
    find_coordinator,
    give_back,
    open_session,
    read_places,
)
from piyard.core import console
from piyard.core.cancel import raise_if_requested, wait_until
from piyard.core.errors import BoardBusy, WrongInput, did_you_mean, unknown_name

Tag = tuple[str, str]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place of the farm; its holder as ``host/user``, empty when nobody holds it."""

    name: str
    tags: dict[str, str]
    acquired_by: str
    reserved_by: str


def list_places(host: str = "") -> list[Place]:
    """The places of a farm, sorted by name.

    Raises what ``find_coordinator`` and ``connect_coordinator`` raise.
    """
    with connect_coordinator(find_coordinator(host)) as stub:
        owners = reservation_owners(stub)
        shown = [_to_place(place, owners) for place in read_places(stub)]
    return sorted(shown, key=lambda place: place.name)


def _to_place(place: Any, owners: dict[str, str]) -> Place:
    return Place(
        name=place.name,
        tags=place.tags,
        acquired_by=place.acquired or "",
        reserved_by=owners.get(place.reservation, ""),
    )


def reservation_owners(stub: Any) -> dict[str, str]:
    """The owner of each reservation, as ``host/user`` by its token."""
    reservations = call_coordinator(stub, "GetReservations").reservations
    return {reservation.token: reservation.owner for reservation in reservations}


def reservation_filter(places: list[Any], entry: BoardEntry) -> dict[str, str]:
    """The tags a reservation asks for; labgrid has a place's name as the tag ``name``.

    Raises ``WrongInput`` if none of the places matches the entry.
    """
    if entry.place:
        return {"name": find_place(places, entry.place).name}
    if not matching_places(places, entry.place_tags):
        raise _no_such_tags(places, entry.place_tags)
    return entry.place_tags


def find_place(places: list[Any], name: str) -> Any:
    """The place of that name or alias; raises ``WrongInput``."""
    for place in places:
        if name == place.name or name in place.aliases:
            return place
    raise unknown_name("place", name, [place.name for place in places])


def matching_places(places: list[Any], tags: dict[str, str]) -> list[Any]:
    """The places that have all those tags."""
    return [place for place in places if tags.items() <= _all_tags(place)]


def format_tags(tags: Iterable[Tag]) -> str:
    """``key=value, key=value``."""
    return ", ".join(f"{key}={value}" for key, value in sorted(tags))


def _all_tags(place: Any) -> set[Tag]:
    return {*place.tags.items(), ("name", place.name)}


def _no_such_tags(places: list[Any], tags: dict[str, str]) -> WrongInput:
    existing = {format_tags([tag]) for place in places for tag in _all_tags(place)}
    missing = [
        text for text in (format_tags([tag]) for tag in tags.items()) if text not in existing
    ]
    hint = did_you_mean(missing[0], existing) if missing else ""
    return WrongInput(
        f"no place has the tags {format_tags(tags.items())}{hint}",
        evidence="\n".join(f"{place.name}: {format_tags(place.tags.items())}" for place in places),
        remedy="correct place_tags in the fleet file",
    )


def describe_holders(stub: Any, token: str, tags: dict[str, str]) -> list[str]:
    """Who holds the places with these tags, a line each; our own reservation does not count."""
    owners = {key: who for key, who in reservation_owners(stub).items() if key != token}
    return [_describe_holder(place, owners) for place in matching_places(read_places(stub), tags)]


def places_busy(holdings: list[str], tags: dict[str, str]) -> BoardBusy:
    """The error that names the holders."""
    only = holdings[0] if len(holdings) == 1 else ""
    return BoardBusy(
        only or f"every place with {format_tags(tags.items())} is taken",
        evidence="" if only else "\n".join(holdings),
        remedy="wait longer, or ask the holder to release it; a place left behind by a run of "
        "your own: labgrid-client -p <place> release",
    )


def _describe_holder(place: Any, owners: dict[str, str]) -> str:
    holder = place.acquired or owners.get(place.reservation, "")
    if not holder:
        return f"place {place.name} is free again, or next for somebody else"
    host, _, user = holder.partition("/")
    return f"place {place.name} is {'held' if place.acquired else 'reserved'} by {user} on {host}"


T = TypeVar("T")

PAUSE_S = 1.0


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation, and the name of its place."""

    token: str
    place: str


@contextmanager
def reserve_place(farm: str, tags: dict[str, str], until: float) -> Iterator[Reservation]:
    """The first free place with those tags, reserved for us while the body runs.

    Raises ``BoardBusy``, naming the holders, if none is free by ``until``, a monotonic time.
    """
    token = _create_reservation(farm, tags)
    try:
        yield Reservation(token=token, place=_await_place(farm, token, tags, until))
    finally:
        by_hand = f"cancel-reservation {token}"
        give_back(farm, by_hand, "CancelReservation", token=token)


def poll_reservation(stub: Any, token: str) -> str | None:
    """The place reserved for us, if there is one yet; polling keeps the reservation alive."""
    from labgrid.remote.common import ReservationState

    reservation = call_coordinator(stub, "PollReservation", token=token).reservation
    state = ReservationState(reservation.state)
    if state in {ReservationState.expired, ReservationState.invalid}:
        raise BoardBusy(
            f"labgrid's reservation {token} is {state.name}",
            remedy="it was not polled for a minute, or its place was deleted; try again",
        )
    return dict(reservation.allocations).get("main")


def poll_until(poll: Callable[[], T | None], until: float) -> T | None:
    """The result of ``poll`` once it is not None; None at the time ``until``."""

    def check() -> T | None:
        raise_if_requested()
        return poll()

    return wait_until(check, until - time.monotonic(), PAUSE_S)


def _create_reservation(farm: str, tags: dict[str, str]) -> str:
    from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

    filters = {"main": messages.Reservation.Filter(filter=tags)}
    with open_session(farm) as farm_session:
        reply = call_coordinator(farm_session.stub, "CreateReservation", filters=filters)
        return str(reply.reservation.token)


def _await_place(farm: str, token: str, tags: dict[str, str], until: float) -> str:
    with connect_coordinator(farm) as stub:
        name = poll_reservation(stub, token)
        if name is None and until > time.monotonic():
            console.info(f"waiting: {'; '.join(describe_holders(stub, token, tags))}")
            name = poll_until(lambda: poll_reservation(stub, token), until)
        if name is None:
            raise places_busy(describe_holders(stub, token, tags), tags)
    return name
