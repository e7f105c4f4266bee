"""The places of a farm: their names, tags and holders, and the reservation of a free one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from piyard.errors import WrongInput, nearest, unknown
from piyard.fleet.inventory import Entry
from piyard.fleet.labgrid import coordinator

Tag = tuple[str, str]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place of the farm; its holder as ``host/user``, empty when nobody holds it."""

    name: str
    tags: dict[str, str]
    acquired_by: str
    reserved_by: str


def places(host: str = "") -> list[Place]:
    """The places of a farm, sorted by name; raises what ``find`` and ``connected`` raise."""
    with coordinator.connected(coordinator.find(host)) as stub:
        owners = reservation_owners(stub)
        shown = [_shown(place, owners) for place in described(stub)]
    return sorted(shown, key=lambda place: place.name)


def _shown(place: Any, owners: dict[str, str]) -> Place:
    return Place(
        name=place.name,
        tags=place.tags,
        acquired_by=place.acquired or "",
        reserved_by=owners.get(place.reservation, ""),
    )


def described(stub: Any) -> list[Any]:
    """The places as labgrid itself describes them."""
    from labgrid.remote.common import Place as Described

    return [Described.from_pb2(place) for place in coordinator.call(stub, "GetPlaces").places]


def reservation_owners(stub: Any) -> dict[str, str]:
    """The owner of each reservation, as ``host/user`` by its token."""
    reservations = coordinator.call(stub, "GetReservations").reservations
    return {reservation.token: reservation.owner for reservation in reservations}


def filter_for(places: list[Any], entry: Entry) -> dict[str, str]:
    """The tags a reservation asks for; labgrid has a place's name as the tag ``name``.

    Raises ``WrongInput`` if none of the places matches the entry.
    """
    if entry.place:
        return {"name": by_name(places, entry.place).name}
    if not fitting(places, entry.place_tags):
        raise _no_such_tags(places, entry.place_tags)
    return entry.place_tags


def by_name(places: list[Any], name: str) -> Any:
    """The place of that name or alias; raises ``WrongInput``."""
    for place in places:
        if name == place.name or name in place.aliases:
            return place
    raise unknown("place", name, [place.name for place in places])


def fitting(places: list[Any], tags: dict[str, str]) -> list[Any]:
    """The places that have all those tags."""
    return [place for place in places if tags.items() <= _tags(place)]


def written(tags: Iterable[Tag]) -> str:
    """``key=value, key=value``."""
    return ", ".join(f"{key}={value}" for key, value in sorted(tags))


def _tags(place: Any) -> set[Tag]:
    return {*place.tags.items(), ("name", place.name)}


def _no_such_tags(places: list[Any], tags: dict[str, str]) -> WrongInput:
    existing = {written([tag]) for place in places for tag in _tags(place)}
    missing = [text for text in (written([tag]) for tag in tags.items()) if text not in existing]
    hint = nearest(missing[0], existing) if missing else ""
    return WrongInput(
        f"no place has the tags {written(tags.items())}{hint}",
        evidence="\n".join(f"{place.name}: {written(place.tags.items())}" for place in places),
        remedy="correct place_tags in the fleet file",
    )
