"""A new board for the inventory: probed, and described as an entry of it."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Collection

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.facts import Facts
from piyard.board.fleet.inventory import (
    EMULATED_PREFIX,
    BoardEntry,
    check_board_name,
    is_emulated,
    load_inventory,
    parse_entry,
)
from piyard.board.fleet.selection import unlisted_board
from piyard.board.ssh.address import parse_address
from piyard.core.errors import PROGRAM, WrongInput, unknown_name
from piyard.core.target import target_names


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


class NewBoard(msgspec.Struct, frozen=True, kw_only=True):
    """A board to be added to the inventory."""

    name: str
    entry: BoardEntry
    summary: str
    """For the user: model, system and target."""


def probe_new_board(options: NewBoardOptions) -> NewBoard:
    """Connect to the host and make the entry for the board found there."""
    if not options.host:
        raise WrongInput("no --host", remedy="name the board: --host pi5.local")
    entry = _new_entry(options)
    name = options.name or _default_name(options.host)
    check_board_name(name, "--name")
    inventory = load_inventory()
    _require_new(name, inventory)
    board = unlisted_board(options.host, entry, inventory)
    connection = BoardConnection(board, options.target)
    try:
        connection.require_architecture(connection.facts)
        target_name = connection.target.name
        summary = _describe(options.host, connection.facts, target_name)
    finally:
        connection.close()
    entry = msgspec.structs.replace(entry, target=target_name)
    return NewBoard(name=name, entry=entry, summary=summary)


def _require_new(name: str, inventory: Collection[str]) -> None:
    if name in inventory:
        raise WrongInput(
            f"there is a board '{name}' already",
            remedy=f"choose another --name, or first: {PROGRAM} fleet.remove {name}",
        )


def _new_entry(options: NewBoardOptions) -> BoardEntry:
    if options.target and options.target not in target_names():
        raise unknown_name("target", options.target, target_names())
    keys: dict[str, object] = {
        **_host_keys(options.host),
        "target": options.target,
        "tags": list(options.tags),
        "key": options.key,
        "jump": options.jump,
        "sudo": options.sudo,
        "price": _parse_price(options.price),
        "price_date": _parse_date(options.price_date),
        "notes": options.notes,
    }
    keys = {key: value for key, value in keys.items() if value not in ("", None, [])}
    return parse_entry(options.name or options.host, keys, "fleet.add")


def _host_keys(host: str) -> dict[str, object]:
    if is_emulated(host):
        return {"host": host}
    parsed = parse_address(host)
    return {"host": parsed.host, "user": parsed.user, "port": parsed.port}


def _default_name(host: str) -> str:
    """``pi5`` for ``pi@pi5.local``; an IP address stays whole."""
    if is_emulated(host):
        return host.removeprefix(EMULATED_PREFIX).replace("/", "-")
    bare = parse_address(host).host
    return bare if re.fullmatch(r"[\d.:a-fA-F]+", bare) and "." in bare else bare.split(".")[0]


def _parse_price(text: str) -> float | None:
    if not text:
        return None
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not (math.isfinite(price) and price >= 0):
        raise WrongInput(f"--price takes dollars, not '{text}'", remedy="for example --price 80")
    return price


def _parse_date(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise WrongInput(
            f"--price-date takes a date, not '{text}'", remedy="for example 2026-01-31"
        ) from None


def _describe(host: str, facts: Facts, target_name: str) -> str:
    memory = f"{(facts.memory_kb or 0) / 1024 / 1024:.1f} GB"
    return (
        f"{host} is {facts.model or 'a board of unknown model'}: {facts.os}, "
        f"{facts.machine}, {facts.cores} cores, {memory}, pages of {facts.page_size} bytes "
        f"→ {target_name}"
    )
