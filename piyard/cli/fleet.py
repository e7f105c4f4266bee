"""Boards you own: the inventory, and what each board answers."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from piyard.board import inspection
from piyard.board.connection import BoardConnection
from piyard.board.facts import facts_row
from piyard.board.fleet import editing
from piyard.board.fleet.inventory import (
    BoardEntry,
    checkout_fleet_file,
    load_inventory,
    user_fleet_file,
)
from piyard.board.fleet.selection import no_board_named, select_boards
from piyard.board.inspection import FINDING_COLUMNS, Finding, finding_row, trust_host_key
from piyard.board.labgrid import acquisition, places
from piyard.board.lease import lease_holder, run_leased_script
from piyard.board.new_board import NewBoardOptions, probe_new_board
from piyard.board.release import HOME
from piyard.board.ssh.hostkeys import refuse_unknown_hosts
from piyard.cli.base_requests import BoardsRequest
from piyard.cli.board_requests import RollbackRequest
from piyard.cli.boards import Boards, named_boards, named_or_emulated
from piyard.cli.fleet_requests import (
    AddRequest,
    BoardsQuery,
    ExecRequest,
    GcRequest,
    PowerRequest,
    TrustRequest,
)
from piyard.core import console
from piyard.core.errors import PROGRAM, JobsFailed, NotSetUp, WrongInput
from piyard.core.paths import IS_INSTALLED
from piyard.core.tables import Cell, number_cell, render_table
from piyard.core.text import escape_json, format_count, sanitize_line
from piyard.run.outcomes import JobOutcomes
from piyard.run.schedule import run_on_boards, run_parallel

R = TypeVar("R")

INVENTORY_COLUMNS = ("Board", "Host", "Target", "Tags", "Jump", "Sudo", "Price ($)", "Notes")
FACTS_COLUMNS = (
    "Board",
    "Model",
    "System",
    "Kernel",
    "Memory (MB)",
    "Page (B)",
    "Free disk (MB)",
    "Load",
)


def list_boards(texts: Sequence[str], form: str) -> None:
    """Print the inventory."""
    selected = select_boards(texts) if texts else []
    entries = {board.name: board.entry for board in selected} or load_inventory()
    rows = [_inventory_row(name, entry) for name, entry in entries.items()]
    print(render_table(INVENTORY_COLUMNS, rows, form))
    if not entries:
        console.info(f"the inventory is empty: {PROGRAM} fleet.add --host … adds a board")


def add_board(request: AddRequest) -> None:
    """Identify a board, and add it to the inventory."""
    if request.strict:
        refuse_unknown_hosts()
    board = probe_new_board(
        NewBoardOptions(
            host=request.host,
            name=request.name,
            target=request.target,
            tags=tuple(request.tags),
            key=request.key,
            jump=request.jump,
            sudo=request.sudo,
            price=request.price,
            price_date=request.price_date,
            notes=request.notes,
        )
    )
    file = user_fleet_file() if request.mine or IS_INSTALLED else checkout_fleet_file()
    console.info(board.summary)
    if request.dry_run:
        print(f"write '{board.name}' ({board.entry.target}) into {file}")
        return
    editing.add_board(board.name, board.entry, file)
    print(f"{board.name}: {board.entry.target}, written to {file}")


def remove_board(name: str, *, dry_run: bool) -> None:
    """Take a board out of the inventory."""
    if dry_run:
        print(f"remove '{name}' from the inventory")
        return
    print(f"{name} is removed from {editing.remove_board(name)}")


def show_facts(request: BoardsQuery) -> None:
    """Show what boards report: model, system, memory, free disk, load."""
    outcomes = _query(
        _require_named(request), lambda connection: (connection.name, connection.facts)
    )
    if request.format == "json":
        print(_pretty_json([{"board": n} | msgspec.to_builtins(f) for n, f in outcomes.results]))
    else:
        rows = [facts_row(name, facts) for name, facts in outcomes.results]
        print(render_table(FACTS_COLUMNS, rows, request.format))
    outcomes.require_all()


def check_boards(request: BoardsQuery) -> None:
    """Check boards; raises ``NotSetUp`` for a check that failed."""
    boards = _require_named(request)
    by_board: dict[str, list[Finding]] = {}

    def examine(connection: BoardConnection) -> None:
        by_board[connection.name] = inspection.examine_board(connection)

    checks = [
        (connection.name, partial(examine, connection)) for connection in boards.connections()
    ]
    run_parallel(checks, boards.parallel)
    findings = [finding for name in boards.names for finding in by_board.get(name, [])]
    print(
        render_table(
            FINDING_COLUMNS, [finding_row(finding) for finding in findings], request.format
        )
    )
    not_ok = [f"{finding.board}: {finding.what}" for finding in findings if not finding.ok]
    if not_ok:
        raise NotSetUp(f"failed: {', '.join(not_ok)}", remedy="see the last column")


def run_command(request: ExecRequest) -> None:
    """Run one program on boards, and print its output; raises if it failed anywhere."""
    argv = _parse_argv(request.command)
    if request.dry_run:
        for name in _require_named(request).names:
            print(f"run {argv} on {name}")
        return
    outcomes = _query(
        _require_named(request),
        lambda connection: (
            connection.name,
            connection.session.run(argv, limit_s=request.limit, check=False),
        ),
    )
    rows = [
        [name, number_cell(done.code), done.out.rstrip(), done.err.rstrip()]
        for name, done in outcomes.results
    ]
    print(render_table(("Board", "Exit code", "Output", "Errors"), rows, request.format))
    outcomes.require_all()
    failed = [name for name, done in outcomes.results if done.code]
    if failed:
        raise JobsFailed(f"'{argv[0]}' failed on {', '.join(failed)}", remedy="see the table")


def pin_host_keys(request: TrustRequest) -> None:
    """Pin the host keys that boards show now."""
    for board in _require_named(request).selected:
        trust_host_key(board, request.fingerprint, dry_run=request.dry_run)


def remove_old_releases(request: GcRequest) -> None:
    """Remove old releases and fetched runs from boards."""
    dry_run = "yes" if request.dry_run else "no"

    def collect(connection: BoardConnection) -> list[str]:
        argv = (HOME, connection.lease.token, connection.lease.owner, str(request.keep), dry_run)
        lines = run_leased_script(connection.session, connection.lease, "gc", *argv).split("\n")
        freed = next((s.split()[1] for s in lines if s.startswith("freed ")), "0")
        gone = [s for s in lines if s.startswith(("releases/", "runs/"))]
        if prompts := sum(s.startswith("prefixes/") for s in lines):
            gone.append(format_count(prompts, "kept prompt"))
        size = None if request.dry_run else int(freed) / 1e6
        text = "N/A" if size is None else f"{size:.1f}"
        return [connection.name, ", ".join(gone) or "nothing", Cell(text, size)]

    outcomes = _query(_require_named(request), collect)
    print(render_table(("Board", "Removed", "MB freed"), outcomes.results, request.format))
    outcomes.require_all()


def show_leases(request: BoardsQuery) -> None:
    """Show who holds which board."""

    def holder(connection: BoardConnection) -> list[str]:
        seconds, _, owner = lease_holder(connection.session).partition(" ")
        return [connection.name, owner or "free", seconds or "-"]

    outcomes = _query(_require_named(request), holder)
    columns = ("Board", "Held by", "For (s), unless renewed")
    print(render_table(columns, outcomes.results, request.format))
    outcomes.require_all()


def roll_back(request: RollbackRequest) -> None:
    """Switch each board back to its previous release."""
    boards = named_or_emulated(request)
    if request.dry_run:
        for name in boards.names:
            print(f"switch {name} to the release before its current one")
        return

    def back(connection: BoardConnection) -> list[str]:
        lease = (connection.lease.token, connection.lease.owner)
        answer = run_leased_script(connection.session, connection.lease, "rollback", HOME, *lease)
        if answer == "nothing":
            raise WrongInput(
                f"{connection.name} has no release before its current one",
                remedy="deploy to it first",
            )
        before, after = answer.split("\n")
        return [connection.name, before.removeprefix("from "), after.removeprefix("to ")]

    outcomes = _query(boards, back)
    if outcomes.results:
        print(render_table(("Board", "From", "To"), outcomes.results, "plain"))
    outcomes.require_all()


def switch_power(request: PowerRequest) -> None:
    """Switch the power of a farm's boards, and print the ports' state."""
    boards = _require_named(request)
    for board in boards.selected:
        name, entry = board.name, board.entry
        if entry.source != "labgrid":
            raise WrongInput(
                f"{name} does not come from labgrid, which alone knows power ports",
                remedy="write source: labgrid and its place into the inventory",
            )
        if request.dry_run:
            print(f"power {request.action} {name}")
        else:
            state = acquisition.switch_power(entry, request.action, wait_s=boards.wait_s)
            print(sanitize_line(f"{name}: {state}"))


def list_places(coordinator: str, form: str) -> None:
    """List the places of a labgrid farm."""
    rows = [
        [
            place.name,
            ", ".join(f"{k}={v}" for k, v in place.tags.items()),
            place.acquired_by or "free",
        ]
        for place in places.list_places(coordinator)
    ]
    print(render_table(("Place", "Tags", "Held by"), rows, form))


def _require_named(request: BoardsRequest) -> Boards:
    """The named boards; raises ``WrongInput`` without any: all boards take an explicit --all."""
    if not request.hosts and not request.all:
        raise no_board_named()
    return named_boards(request)


def _query(boards: Boards, ask: Callable[[BoardConnection], R]) -> JobOutcomes[str, R]:
    """Every board's answer, queried in parallel."""
    return run_on_boards(
        boards.connections(),
        list(boards.names),
        lambda connection, _name: ask(connection),
        group_of_job=lambda name: name,
        parallel=boards.parallel,
    )


def _parse_argv(command: str) -> list[str]:
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise WrongInput(f"--command: {error}", remedy="close each quote") from None
    if not argv:
        raise WrongInput("--command is empty", remedy="for example --command 'uname -a'")
    return argv


def _pretty_json(value: Any) -> str:
    return escape_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _inventory_row(name: str, entry: BoardEntry) -> list[str]:
    place = entry.place or ",".join(f"{k}={v}" for k, v in entry.place_tags.items())
    host = f"labgrid: {place}" if entry.source == "labgrid" else entry.host
    user = f"{entry.user}@" if entry.user else ""
    port = f":{entry.port}" if entry.port else ""
    price = "" if entry.price is None else f"{entry.price:.2f}"
    dated = f"{price} ({entry.price_date})" if price and entry.price_date else price
    return [
        *(name, f"{user}{host}{port}", entry.target, ", ".join(entry.tags), entry.jump),
        *("yes" if entry.sudo else "no", dated, " ".join(entry.notes.split())),
    ]
