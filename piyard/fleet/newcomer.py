"""A board that is to be added: look at it, and say what it is."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from piyard import address, emulator, target
from piyard.board import Line
from piyard.errors import WrongInput, unknown
from piyard.facts import Facts
from piyard.fleet import inventory
from piyard.fleet.inventory import Entry


class Newcomer(msgspec.Struct, frozen=True, kw_only=True):
    """A board as it would stand in the inventory."""

    name: str
    entry: Entry
    told: str
    """For the user: what the board says it is."""


def look(asked: Mapping[str, Any]) -> Newcomer:
    """Connect to the host that was named, and make an entry of what is there."""
    if not asked["host"]:
        raise WrongInput("no --host", remedy="name the board: --host pi5.local")
    entry = _entry(asked)
    name = asked["name"] or _name_of(asked["host"])
    inventory.name_of(name, "--name")
    _require_new(name)
    connection = Line(asked["host"], asked["target"], entry=entry)
    try:
        connection.require_architecture(connection.facts)
        found = connection.target_name
        told = _told(asked["host"], connection.facts, found)
    finally:
        connection.close()
    return Newcomer(name=name, entry=msgspec.structs.replace(entry, target=found), told=told)


def _require_new(name: str) -> None:
    if inventory.find(name):
        raise WrongInput(
            f"there is a board '{name}' already",
            remedy=f"choose another --name, or first: invoke fleet.remove {name}",
        )


def _entry(asked: Mapping[str, Any]) -> Entry:
    if asked["target"] and asked["target"] not in target.names():
        raise unknown("target", asked["target"], target.names())
    keys: dict[str, Any] = {
        **_way(asked["host"]),
        "target": asked["target"],
        "tags": list(asked["tag"]),
        "key": asked["key"],
        "jump": asked["jump"],
        "sudo": asked["sudo"],
        "price": _price(asked["price"]),
        "price_date": _date(asked["price_date"]),
        "notes": asked["notes"],
    }
    given = {key: value for key, value in keys.items() if value not in ("", None, [])}
    return inventory.entry(asked["name"] or asked["host"], given, "fleet.add")


def _way(host: str) -> dict[str, Any]:
    if emulator.is_emulated(host):
        return {"host": host}
    typed = address.parse(host)
    return {"host": typed.host, "user": typed.user, "port": typed.port}


def _name_of(host: str) -> str:
    """``pi5`` for ``pi@pi5.local``; an IP address stays whole."""
    if emulator.is_emulated(host):
        return host.removeprefix(emulator.PREFIX).replace("/", "-")
    bare = address.parse(host).host
    return bare if re.fullmatch(r"[\d.:a-fA-F]+", bare) and "." in bare else bare.split(".")[0]


def _price(text: str) -> float | None:
    if not text:
        return None
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not (math.isfinite(price) and price >= 0):
        raise WrongInput(f"--price takes dollars, not '{text}'", remedy="for example --price 80")
    return price


def _date(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise WrongInput(
            f"--price-date takes a date, not '{text}'", remedy="for example 2026-01-31"
        ) from None


def _told(host: str, told: Facts, found: str) -> str:
    memory = f"{(told.memory_kb or 0) / 1024 / 1024:.1f} GB"
    return (
        f"{host} is {told.model or 'a board that does not say its model'}: {told.os}, "
        f"{told.machine}, {told.cores} cores, {memory}, pages of {told.page_size} bytes → {found}"
    )
