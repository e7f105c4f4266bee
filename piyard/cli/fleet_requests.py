"""Requests of tasks on the inventory and its boards, and on emulated boards."""

from __future__ import annotations

from piyard.cli.base_requests import BoardsRequest, DryRunRequest, TableRequest
from piyard.cli.flag_types import whole
from piyard.cli.flags import HOST_HELP, ONE_TARGET, STRICT, TARGET
from piyard.cli.named_types import BOARD, POWER_ACTION
from piyard.cli.request import flag
from piyard.cli.value_types import SWITCH, TEXT, many, text


class BoardsQuery(BoardsRequest, TableRequest):
    """Options of tasks that query boards; their targets do not matter."""

    target: str = ""


class ListRequest(TableRequest):
    """Options of ``fleet.list``."""

    hosts: tuple[str, ...] = flag(HOST_HELP, many(BOARD), default=(), name="host")


class AddRequest(DryRunRequest):
    """Options of ``fleet.add``."""

    host: str = flag(
        "the board: name, user@name:port or emulated:<target>", text("NAME"), default=""
    )
    name: str = flag("its name in the inventory (the host's)", text("NAME"), default="")
    target: str = ONE_TARGET
    tags: tuple[str, ...] = flag(
        "a label that groups boards, for --host @tag",
        many(text("WORD"), commas=False),
        default=(),
        name="tag",
    )
    key: str = flag("the private key to log in with", text("FILE"), default="")
    jump: str = flag("the host to go through", text("USER@NAME:PORT"), default="")
    sudo: bool = flag("sudo needs no password there", SWITCH, default=False)
    price: str = flag("its price in dollars", text("DOLLARS"), default="")
    price_date: str = flag("the date of that price, as 2026-01-31", text("DAY"), default="")
    notes: str = flag("anything worth knowing", TEXT, default="")
    mine: bool = flag("write the user's own inventory, not the checkout's", SWITCH, default=False)
    strict: bool = STRICT


class RemoveRequest(DryRunRequest):
    """Options of ``fleet.remove``."""

    name: str = flag("the board's name", BOARD)


class ExecRequest(BoardsQuery, DryRunRequest):
    """Options of ``fleet.exec``."""

    command: str = flag(
        "a program and its arguments, in quotes; no shell reads it", text("COMMAND"), default=""
    )
    limit: int = flag("end it after so many seconds", whole(), default=60)


class TrustRequest(BoardsRequest, DryRunRequest):
    """Options of ``fleet.trust``."""

    fingerprint: str = flag(
        "accept this key only: SHA256:…, as ssh-keygen -l shows it on the board",
        text("FINGERPRINT"),
        default="",
    )
    target: str = ""
    parallel: int = 1
    no_wait: bool = False
    strict: bool = False


class GcRequest(BoardsQuery, DryRunRequest):
    """Options of ``fleet.gc``."""

    keep: int = flag("releases to keep", whole(), default=3)


class PowerRequest(BoardsRequest, DryRunRequest):
    """Options of ``fleet.power``."""

    action: str = flag("on, off, cycle or get", POWER_ACTION, default="get")
    target: str = ""
    parallel: int = 1
    strict: bool = False


class PlacesRequest(TableRequest):
    """Options of ``fleet.places``."""

    coordinator: str = flag("labgrid's coordinator", text("HOST:PORT"), default="")


class EmulatedRequest(DryRunRequest):
    """Options of ``board.up``."""

    target: str = flag(
        "the target, or target/number for several: rpi5/2",
        text("KIND[/N]"),
        default=TARGET,
    )


class DownRequest(EmulatedRequest):
    """Options of ``board.down``."""

    yes: bool = flag(
        "also if another process uses it, or another checkout started it",
        SWITCH,
        default=False,
    )
