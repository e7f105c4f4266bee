"""Tasks about the boards you own, and emulated ones."""

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
from piyard.cli.request import SWITCH, command, flag, many, text


class Asked(OnBoards, Shown):
    """Boards that are asked something, each of whose kind is theirs to tell."""

    target: str = ""


class ListRequest(Shown):
    """Which boards are listed."""

    hosts: tuple[str, ...] = flag(HOST_HELP, many(BOARD), default=(), name="host")


@command(ListRequest, "fleet.list")
def listed(request: ListRequest) -> None:
    """The boards of the inventory; asks none of them."""
    from piyard.commands import fleet

    fleet.listed(request.hosts, request.format)


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


@command(AddRequest, "fleet.add")
def add(request: AddRequest) -> None:
    """Connect to a board, see what it is, and write it into the inventory."""
    from piyard.commands import fleet

    fleet.add(request)


class RemoveRequest(Planned):
    """Which board leaves the inventory."""

    name: str = flag("the board's name", BOARD)


@command(RemoveRequest, "fleet.remove")
def remove(request: RemoveRequest) -> None:
    """Take a board out of the inventory; nothing on it changes."""
    from piyard.commands import fleet

    fleet.remove(request.name, dry_run=request.dry_run)


@command(Asked, "fleet.facts")
def facts(request: Asked) -> None:
    """What boards say of themselves."""
    from piyard.commands import fleet

    fleet.facts(request)


@command(Asked, "fleet.doctor")
def doctor(request: Asked) -> None:
    """Check boards, and say what to do about what is wrong."""
    from piyard.commands import fleet

    fleet.doctor(request)


class ExecRequest(Asked, Planned):
    """What is run on which boards."""

    command: str = flag(
        "a program and its arguments, in quotes; no shell reads it", text("COMMAND"), default=""
    )
    limit: int = flag("end it after so many seconds", whole(), default=60)


@command(ExecRequest, "fleet.exec")
def execute(request: ExecRequest) -> None:
    """Run one program on boards, and print what each says."""
    from piyard.commands import fleet

    fleet.execute(request)


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


@command(TrustRequest, "fleet.trust")
def trust(request: TrustRequest) -> None:
    """Pin the host key a board shows now, after it was flashed anew."""
    from piyard.commands import fleet

    fleet.trust(request)


class GcRequest(Asked, Planned):
    """What is left on which boards."""

    keep: int = flag("releases to keep", whole(), default=3)


@command(GcRequest, "fleet.gc")
def gc(request: GcRequest) -> None:
    """Remove old releases and fetched runs from boards."""
    from piyard.commands import fleet

    fleet.gc(request)


@command(Asked, "fleet.locks")
def locks(request: Asked) -> None:
    """Who holds which board."""
    from piyard.commands import fleet

    fleet.locks(request)


class PowerRequest(OnBoards, Planned):
    """What becomes of which boards' power."""

    action: str = flag("on, off, cycle or get", text("ACTION"), default="get")
    target: str = ""
    parallel: int = 1
    strict: bool = False


@command(PowerRequest, "fleet.power")
def power(request: PowerRequest) -> None:
    """Switch boards of a labgrid farm on and off by their power ports."""
    from piyard.commands import fleet

    fleet.power(request)


class PlacesRequest(Shown):
    """Whose places are listed."""

    coordinator: str = flag("labgrid's coordinator", text("HOST:PORT"), default="")


@command(PlacesRequest, "fleet.places")
def places(request: PlacesRequest) -> None:
    """The places of a labgrid farm."""
    from piyard.commands import fleet

    fleet.places(request.coordinator, request.format)


class EmulatedRequest(Planned):
    """Which emulated board."""

    target: str = flag(
        "the board's kind, or kind/number where several are wanted: rpi5/2",
        text("KIND[/N]"),
        default=TARGET,
    )


@command(EmulatedRequest, "board.up")
def board_up(request: EmulatedRequest) -> None:
    """Start an emulated board."""
    from piyard.commands import emulated

    emulated.up(request.target, dry_run=request.dry_run)


class DownRequest(EmulatedRequest):
    """Which emulated board is stopped."""

    yes: bool = flag(
        "also one that another process uses, or that another checkout started",
        SWITCH,
        default=False,
    )


@command(DownRequest, "board.down")
def board_down(request: DownRequest) -> None:
    """Stop an emulated board; what is on it is gone."""
    from piyard.commands import emulated

    emulated.down(request.target, yes=request.yes, dry_run=request.dry_run)


@command(Shown, "board.list")
def board_list(request: Shown) -> None:
    """The emulated boards that run."""
    from piyard.commands import emulated

    emulated.listed(request.format)
