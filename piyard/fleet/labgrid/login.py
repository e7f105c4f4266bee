"""How to log in to the board of a place: its NetworkService tells."""

from __future__ import annotations

from typing import Any

import msgspec

from piyard import address, say
from piyard.address import Address
from piyard.errors import WrongInput
from piyard.fleet.inventory import Entry
from piyard.fleet.labgrid.session import Resource, Session


class Acquired(msgspec.Struct, frozen=True, kw_only=True):
    """A place that is ours, and how to log in to its board."""

    place: str
    address: str
    port: int
    user: str
    """Empty when neither the entry nor the place names one."""
    behind: str
    """The host that alone reaches it, as its exporter says; empty when any does."""
    coordinator: str


def of_place(here: Session, place: Any, entry: Entry) -> Acquired:
    """The login of a place; what the entry says of user and port comes before what the place says.

    Raises ``WrongInput`` for a place without a NetworkService, or with a wrong one.
    """
    service = _network_service(here, place)
    where = _where(place.name, service, entry)
    extra = service["extra"]
    return Acquired(
        place=place.name,
        address=where.host,
        port=where.port,
        user=where.user,
        behind=(extra.get("proxy") or "") if extra.get("proxy_required") else "",
        coordinator=here.farm,
    )


def hint_at_jump(held: Acquired, entry: Entry) -> None:
    """Say so if the board cannot be reached the way the entry tells."""
    if held.behind and not entry.jump:
        say.note(
            f"place {held.place} is to be reached through {held.behind}: "
            "name that host as the board's jump in the fleet file"
        )


def _where(name: str, service: dict[str, Any], entry: Entry) -> Address:
    written = Address(
        host=service.get("address") or "",
        user=entry.user or service.get("username") or "",
        port=entry.port or service.get("port") or address.DEFAULT_PORT,
    )
    try:
        return address.parse(str(written))
    except WrongInput:  # the exporter's file is written by hand too
        raise WrongInput(
            f"the NetworkService of place {name} is no host to log in to: '{written}'",
            remedy="correct its address, port and username in the exporter's file",
        ) from None


def _network_service(here: Session, place: Any) -> dict[str, Any]:
    """The place's only NetworkService, or the one named ``default``, as labgrid chooses."""
    has = here.of_place(place)
    services = [resource for resource in has if resource.path[2] == "NetworkService"]
    default = [resource for resource in services if _name(place, resource) == "default"]
    for choice in (services, default):
        if len(choice) == 1:
            return choice[0].params
    raise _no_service(place, has, several=bool(services))


def _name(place: Any, resource: Resource) -> str:
    return place.getmatch(resource.path).rename or resource.path[3]


def _no_service(place: Any, has: list[Resource], *, several: bool) -> WrongInput:
    return WrongInput(
        f"place {place.name} has {'more than one' if several else 'no'} NetworkService",
        evidence=_contents(place, has),
        remedy="name one of them 'default': labgrid-client add-named-match"
        if several
        else "export a NetworkService and match it: labgrid-client add-match",
    )


def _contents(place: Any, has: list[Resource]) -> str:
    """What a place has, and what it should have but no exporter offers now."""
    there = [f"it has {resource}" for resource in has] or ["it has no resource"]
    paths = [resource.path for resource in has]
    missing = [match for match in place.matches if not any(map(match.ismatch, paths))]
    return "\n".join(there + [f"no exporter offers {match}" for match in missing])
