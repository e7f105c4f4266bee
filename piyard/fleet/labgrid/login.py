"""Boards of a labgrid farm: a place is reserved, acquired, and given back whatever happens.

This talks to the coordinator by labgrid's own gRPC stub: its ClientSession shares one connection
in a process, which the coordinator refuses to the second board, and labgrid-client prints for
people. Only switching power runs labgrid-client: its drivers keep state for the whole process and
have no time limit, so they get a process of their own, which can be ended.

Nothing has to be kept alive while a board is used: an acquired place stays acquired, and the
coordinator itself refreshes its reservation.
"""

from __future__ import annotations

from typing import Any

import msgspec

from piyard import address, say
from piyard.address import Address
from piyard.errors import WrongInput
from piyard.fleet.inventory import Entry
from piyard.fleet.labgrid.session import Resource, Session


class Acquired(msgspec.Struct, frozen=True, kw_only=True):
    """An acquired place, and how to log in to its board."""

    place: str
    address: str
    port: int
    user: str
    """Empty when neither the entry nor the place names one."""
    behind: str
    """The only host that reaches it, as its exporter says; empty if any does."""
    coordinator: str


def of_place(farm_session: Session, place: Any, entry: Entry) -> Acquired:
    """The login of a place; the entry's user and port override the place's.

    Raises ``WrongInput`` for a place without a NetworkService, or with an invalid one.
    """
    service = _network_service(farm_session, place)
    login_address = _where(place.name, service, entry)
    extra = service["extra"]
    return Acquired(
        place=place.name,
        address=login_address.host,
        port=login_address.port,
        user=login_address.user,
        behind=(extra.get("proxy") or "") if extra.get("proxy_required") else "",
        coordinator=farm_session.farm,
    )


def hint_at_jump(acquired: Acquired, entry: Entry) -> None:
    """Tell the user if the board is only reached through a host that the entry does not name."""
    if acquired.behind and not entry.jump:
        say.note(
            f"place {acquired.place} is only reached through {acquired.behind}: "
            "name that host as the board's jump in the fleet file"
        )


def _where(name: str, service: dict[str, Any], entry: Entry) -> Address:
    login_address = Address(
        host=service.get("address") or "",
        user=entry.user or service.get("username") or "",
        port=entry.port or service.get("port") or address.DEFAULT_PORT,
    )
    try:
        return address.parse(str(login_address))
    except WrongInput:  # the exporter's file is written by hand too
        raise WrongInput(
            f"the NetworkService of place {name} is not a host to log in to: '{login_address}'",
            remedy="correct its address, port and username in the exporter's file",
        ) from None


def _network_service(farm_session: Session, place: Any) -> dict[str, Any]:
    """The place's only NetworkService, or the one named ``default``, as labgrid chooses."""
    resources = farm_session.of_place(place)
    services = [resource for resource in resources if resource.path[2] == "NetworkService"]
    default = [resource for resource in services if _name(place, resource) == "default"]
    for choice in (services, default):
        if len(choice) == 1:
            return choice[0].params
    raise _no_service(place, resources, several=bool(services))


def _name(place: Any, resource: Resource) -> str:
    return place.getmatch(resource.path).rename or resource.path[3]


def _no_service(place: Any, resources: list[Resource], *, several: bool) -> WrongInput:
    return WrongInput(
        f"place {place.name} has {'more than one' if several else 'no'} NetworkService",
        evidence=_contents(place, resources),
        remedy="name one of them 'default': labgrid-client add-named-match"
        if several
        else "export a NetworkService and match it: labgrid-client add-match",
    )


def _contents(place: Any, resources: list[Resource]) -> str:
    """The resources of a place, and those it should have but no exporter offers now."""
    lines = [f"it has {resource}" for resource in resources] or ["it has no resource"]
    paths = [resource.path for resource in resources]
    missing = [match for match in place.matches if not any(map(match.ismatch, paths))]
    return "\n".join(lines + [f"no exporter offers {match}" for match in missing])
