"""Tasks on the inventory, the boards in it, and emulated boards."""

from __future__ import annotations

from piyard.cli.base_requests import TableRequest
from piyard.cli.command import command
from piyard.cli.fleet_requests import (
    AddRequest,
    BoardsQuery,
    DownRequest,
    EmulatedRequest,
    ExecRequest,
    GcRequest,
    ListRequest,
    PlacesRequest,
    PowerRequest,
    RemoveRequest,
    TrustRequest,
)


@command(ListRequest, "fleet.list")
def fleet_list(request: ListRequest) -> None:
    """List the boards of the inventory, without contacting them."""
    from piyard.cli.fleet import list_boards

    list_boards(request.hosts, request.format)


@command(AddRequest, "fleet.add")
def fleet_add(request: AddRequest) -> None:
    """Connect to a board, identify it, and add it to the inventory."""
    from piyard.cli.fleet import add_board

    add_board(request)


@command(RemoveRequest, "fleet.remove")
def fleet_remove(request: RemoveRequest) -> None:
    """Take a board out of the inventory; nothing on it changes."""
    from piyard.cli.fleet import remove_board

    remove_board(request.name, dry_run=request.dry_run)


@command(BoardsQuery, "fleet.facts")
def fleet_facts(request: BoardsQuery) -> None:
    """Show what boards report: model, system, memory, free disk, load."""
    from piyard.cli.fleet import show_facts

    show_facts(request)


@command(BoardsQuery, "fleet.doctor")
def fleet_doctor(request: BoardsQuery) -> None:
    """Check boards, and say how to fix what is wrong."""
    from piyard.cli.fleet import check_boards

    check_boards(request)


@command(ExecRequest, "fleet.exec")
def fleet_exec(request: ExecRequest) -> None:
    """Run one program on boards, and print its output."""
    from piyard.cli.fleet import run_command

    run_command(request)


@command(TrustRequest, "fleet.trust")
def fleet_trust(request: TrustRequest) -> None:
    """Pin a board's present host key, after the board was reflashed."""
    from piyard.cli.fleet import pin_host_keys

    pin_host_keys(request)


@command(GcRequest, "fleet.gc")
def fleet_gc(request: GcRequest) -> None:
    """Remove old releases and fetched runs from boards."""
    from piyard.cli.fleet import remove_old_releases

    remove_old_releases(request)


@command(BoardsQuery, "fleet.locks")
def fleet_locks(request: BoardsQuery) -> None:
    """Show who holds which board."""
    from piyard.cli.fleet import show_leases

    show_leases(request)


@command(PowerRequest, "fleet.power")
def fleet_power(request: PowerRequest) -> None:
    """Switch boards of a labgrid farm on and off by their power ports."""
    from piyard.cli.fleet import switch_power

    switch_power(request)


@command(PlacesRequest, "fleet.places")
def fleet_places(request: PlacesRequest) -> None:
    """List the places of a labgrid farm."""
    from piyard.cli.fleet import list_places

    list_places(request.coordinator, request.format)


@command(EmulatedRequest, "board.up")
def board_up(request: EmulatedRequest) -> None:
    """Start an emulated board."""
    from piyard.cli.machine import start_emulated

    start_emulated(request.target, dry_run=request.dry_run)


@command(DownRequest, "board.down")
def board_down(request: DownRequest) -> None:
    """Stop an emulated board; what is on it is gone."""
    from piyard.cli.machine import stop_emulated

    stop_emulated(request.target, yes=request.yes, dry_run=request.dry_run)


@command(TableRequest, "board.list")
def board_list(request: TableRequest) -> None:
    """List the emulated boards that are running."""
    from piyard.cli.machine import list_emulated

    list_emulated(request.format)
