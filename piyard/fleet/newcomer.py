"""Boards under inspection: a new one for the inventory, one's fitness for piyard, its host key."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any

import msgspec

from piyard import address, emulator, target
from piyard.board import Line
from piyard.errors import WrongInput, unknown
from piyard.facts import Facts
from piyard.fleet import inventory
from piyard.fleet.inventory import Entry


class NewBoardOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says of a new board; an empty value is unset."""

    host: str
    name: str = ""
    target: str = ""
    tags: tuple[str, ...] = ()
    key: str = ""
    jump: str = ""
    sudo: bool = False
    price: str = ""
    price_date: str = ""
    notes: str = ""


class Newcomer(msgspec.Struct, frozen=True, kw_only=True):
    """A board to be added to the inventory."""

    name: str
    entry: Entry
    summary: str
    """For the user: model, system and target."""


def look(options: NewBoardOptions) -> Newcomer:
    """Connect to the host and make the entry for the board found there."""
    if not options.host:
        raise WrongInput("no --host", remedy="name the board: --host pi5.local")
    entry = _entry(options)
    name = options.name or _name_of(options.host)
    inventory.name_of(name, "--name")
    _require_new(name)
    connection = Line(options.host, options.target, entry=entry)
    try:
        connection.require_architecture(connection.facts)
        target_name = connection.target_name
        summary = _told(options.host, connection.facts, target_name)
    finally:
        connection.close()
    entry = msgspec.structs.replace(entry, target=target_name)
    return Newcomer(name=name, entry=entry, summary=summary)


def _require_new(name: str) -> None:
    if inventory.find(name):
        raise WrongInput(
            f"there is a board '{name}' already",
            remedy=f"choose another --name, or first: invoke fleet.remove {name}",
        )


def _entry(options: NewBoardOptions) -> Entry:
    if options.target and options.target not in target.names():
        raise unknown("target", options.target, target.names())
    keys: dict[str, Any] = {
        **_way(options.host),
        "target": options.target,
        "tags": list(options.tags),
        "key": options.key,
        "jump": options.jump,
        "sudo": options.sudo,
        "price": _price(options.price),
        "price_date": _date(options.price_date),
        "notes": options.notes,
    }
    keys = {key: value for key, value in keys.items() if value not in ("", None, [])}
    return inventory.entry(options.name or options.host, keys, "fleet.add")


def _way(host: str) -> dict[str, Any]:
    if emulator.is_emulated(host):
        return {"host": host}
    parsed = address.parse(host)
    return {"host": parsed.host, "user": parsed.user, "port": parsed.port}


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


def _told(host: str, facts: Facts, target_name: str) -> str:
    memory = f"{(facts.memory_kb or 0) / 1024 / 1024:.1f} GB"
    return (
        f"{host} is {facts.model or 'a board of unknown model'}: {facts.os}, "
        f"{facts.machine}, {facts.cores} cores, {memory}, pages of {facts.page_size} bytes "
        f"→ {target_name}"
    )
