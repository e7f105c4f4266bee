"""The places of a farm: their names, tags and holders, and the reservation of a free one."""

from __future__ import annotations

from typing import Any

from piyard.errors import BoardBusy
from piyard.fleet.labgrid import place as places


def holdings(stub: Any, token: str, tags: dict[str, str]) -> list[str]:
    """Who holds the places with these tags, a line each; our own reservation does not count."""
    owners = {key: who for key, who in places.reservation_owners(stub).items() if key != token}
    return [_holding(place, owners) for place in places.fitting(places.described(stub), tags)]


def busy(holdings: list[str], tags: dict[str, str]) -> BoardBusy:
    """The error that names the holders."""
    only = holdings[0] if len(holdings) == 1 else ""
    return BoardBusy(
        only or f"every place with {places.written(tags.items())} is taken",
        evidence="" if only else "\n".join(holdings),
        remedy="wait longer, or ask the holder to release it; a place left behind by a run of "
        "your own: labgrid-client -p <place> release",
    )


def _holding(place: Any, owners: dict[str, str]) -> str:
    holder = place.acquired or owners.get(place.reservation, "")
    if not holder:
        return f"place {place.name} is free again, or next for somebody else"
    host, _, user = holder.partition("/")
    return f"place {place.name} is {'held' if place.acquired else 'reserved'} by {user} on {host}"
