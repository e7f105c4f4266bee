"""What is asked of tasks about the boards you own, and emulated ones."""

from __future__ import annotations

from piyard.cli.flags import (
    BOARD,
    HOST_HELP,
    ONE_TARGET,
    STRICT,
    TARGET,
    OnBoards,
    Planned,
    Shown,
    whole,
)
from piyard.cli.request import SWITCH, flag, many, text


class QueryRequest(OnBoards, Shown):
    """Boards that are asked something, each of whose kind is theirs to tell."""

    target: str = ""


class ListRequest(Shown):
    """Which boards are listed."""

    hosts: tuple[str, ...] = flag(HOST_HELP, many(BOARD), default=(), name="host")


class AddRequest(Planned):
    """What a board is, and how it is reached."""

    host: str = flag(
        "the board: name, user@name:port or emulated:<target>", text("NAME"), default=""
    )
    name: str = flag("what to call it; without it the host's name", text("NAME"), default="")
    target: str = ONE_TARGET
    tags: tuple[str, ...] = flag(
        "a word that groups boards, for --host @tag",
        many(text("WORD"), commas=False),
        default=(),
        name="tag",
    )
    key: str = flag("the private key to log in with", text("FILE"), default="")
    jump: str = flag("the host to go through", text("USER@NAME:PORT"), default="")
    sudo: bool = flag("the user may become root there without a password", SWITCH, default=False)
    price: str = flag("what it cost, in dollars", text("DOLLARS"), default="")
    price_date: str = flag("when it cost that, as 2026-01-31", text("DAY"), default="")
    notes: str = flag("anything worth knowing", text("TEXT"), default="")
    mine: bool = flag("write the user's own inventory, not the checkout's", SWITCH, default=False)
    strict: bool = STRICT


class RemoveRequest(Planned):
    """Which board leaves the inventory."""

    name: str = flag("the board's name", BOARD)


class ExecRequest(QueryRequest, Planned):
    """What is run on which boards."""

    command: str = flag(
        "a program and its arguments, in quotes; no shell reads it", text("COMMAND"), default=""
    )
    limit: int = flag("end it after so many seconds", whole(), default=60)


class TrustRequest(OnBoards, Planned):
    """Whose keys are pinned."""

    fingerprint: str = flag(
        "accept this key only: SHA256:…, as ssh-keygen -l shows it on the board",
        text("FINGERPRINT"),
        default="",
    )
    target: str = ""
    parallel: int = 1
    no_wait: bool = False
    strict: bool = False


class GcRequest(QueryRequest, Planned):
    """What is left on which boards."""

    keep: int = flag("releases to keep", whole(), default=3)


class PowerRequest(OnBoards, Planned):
    """What becomes of which boards' power."""

    action: str = flag("on, off, cycle or get", text("ACTION"), default="get")
    target: str = ""
    parallel: int = 1
    strict: bool = False


class PlacesRequest(Shown):
    """Whose places are listed."""

    coordinator: str = flag("labgrid's coordinator", text("HOST:PORT"), default="")


class EmulatedRequest(Planned):
    """Which emulated board."""

    target: str = flag(
        "the board's kind, or kind/number where several are wanted: rpi5/2",
        text("KIND[/N]"),
        default=TARGET,
    )


class DownRequest(EmulatedRequest):
    """Which emulated board is stopped."""

    yes: bool = flag(
        "also one that another process uses, or that another checkout started",
        SWITCH,
        default=False,
    )
