"""Tasks about the boards you own: the inventory, and what each board says when asked."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from piyard import fanout, harmless, paths, say, tables, wanted
from piyard import lease as leases
from piyard.board import Line
from piyard.cli.board_requests import RollbackRequest
from piyard.cli.flags import OnBoards
from piyard.cli.fleet_requests import (
    AddRequest,
    ExecRequest,
    GcRequest,
    PowerRequest,
    QueryRequest,
    TrustRequest,
)
from piyard.errors import JobsFailed, NotSetUp, WrongInput
from piyard.fleet import choose, edit, health, inventory, newcomer
from piyard.fleet import trust as trusting
from piyard.outcome import Outcomes
from piyard.release import HOME
from piyard.ssh import hostkeys
from piyard.wanted import Boards

R = TypeVar("R")

LIST = ("Board", "Host", "Target", "Tags", "Jump", "Sudo", "Price ($)", "Notes")
FACTS = ("Board", "Model", "System", "Kernel", "Memory (MB)", "Page (B)", "Free disk (MB)", "Load")


def listed(texts: Sequence[str], form: str) -> None:
    """The inventory as a table."""
    names = choose.choose(texts) if texts else list(inventory.load())
    print(tables.render(LIST, [_listed(name, choose.entry_of(name)) for name in names], form))
    if not names:
        say.note("the inventory is empty: invoke fleet.add --host … adds a board")


def add(request: AddRequest) -> None:
    """See what a board is, and write it into the inventory."""
    if request.strict:
        hostkeys.be_strict()
    board = newcomer.look(
        newcomer.NewBoardOptions(
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
    file = (
        inventory.user_file() if request.mine or paths.IS_INSTALLED else inventory.checkout_file()
    )
    say.note(board.summary)
    if request.dry_run:
        print(f"write '{board.name}' ({board.entry.target}) into {file}")
        return
    edit.add(board.name, board.entry, file)
    print(f"{board.name}: {board.entry.target}, written to {file}")


def remove(name: str, *, dry_run: bool) -> None:
    """Take a board out of the inventory."""
    if dry_run:
        print(f"remove '{name}' from the inventory")
        return
    print(f"{name} is removed from {edit.remove(name)}")


def facts(request: QueryRequest) -> None:
    """What boards say of themselves."""
    outcomes = _ask(_boards(request), lambda line: (line.name, line.facts))
    if request.format == "json":
        print(_json([{"board": n} | msgspec.to_builtins(f) for n, f in outcomes.results]))
    else:
        rows = [health.row(name, facts) for name, facts in outcomes.results]
        print(tables.render(FACTS, rows, request.format))
    outcomes.require_all()


def doctor(request: QueryRequest) -> None:
    """Check boards; raises ``NotSetUp`` when one of them is not well."""
    boards = _boards(request)
    by_board: dict[str, list[health.Finding]] = {}

    def examine(line: Line) -> None:
        by_board[line.name] = health.examine(line)

    checks = [(line.name, partial(examine, line)) for line in boards.lines()]
    fanout.at_once(checks, boards.parallel)
    findings = [finding for name in boards.names for finding in by_board.get(name, [])]
    print(
        tables.render(
            health.COLUMNS, [health.told(finding) for finding in findings], request.format
        )
    )
    not_ok = [f"{finding.board}: {finding.what}" for finding in findings if not finding.ok]
    if not_ok:
        raise NotSetUp(f"not well: {', '.join(not_ok)}", remedy="see the last column")


def execute(request: ExecRequest) -> None:
    """Run one program on boards; its output, and an error when it failed somewhere."""
    argv = _argv(request.command)
    if request.dry_run:
        for name in _boards(request).names:
            print(f"run {argv} on {name}")
        return
    outcomes = _ask(
        _boards(request),
        lambda line: (line.name, line.session.run(argv, limit_s=request.limit, check=False)),
    )
    rows = [
        [name, tables.number(done.code), done.out.rstrip(), done.err.rstrip()]
        for name, done in outcomes.results
    ]
    print(tables.render(("Board", "Exit code", "Output", "Errors"), rows, request.format))
    outcomes.require_all()
    failed = [name for name, done in outcomes.results if done.code]
    if failed:
        raise JobsFailed(f"'{argv[0]}' failed on {', '.join(failed)}", remedy="see the table")


def trust(request: TrustRequest) -> None:
    """Pin the host keys that boards show now."""
    for name in _boards(request).names:
        trusting.trust(name, request.fingerprint, dry_run=request.dry_run)


def gc(request: GcRequest) -> None:
    """Remove old releases and fetched runs from boards."""
    only_say = "yes" if request.dry_run else "no"

    def collect(line: Line) -> list[str]:
        argv = (HOME, line.lease.token, line.lease.owner, str(request.keep), only_say)
        lines = leases.script(line.session, line.lease, "gc", *argv).split("\n")
        freed = next((s.split()[1] for s in lines if s.startswith("freed ")), "0")
        gone = [s for s in lines if s.startswith(("releases/", "runs/"))]
        size = None if request.dry_run else int(freed) / 1e6
        text = "N/A" if size is None else f"{size:.1f}"
        return [line.name, ", ".join(gone) or "nothing", tables.Value(text, size)]

    outcomes = _ask(_boards(request), collect)
    print(tables.render(("Board", "Removed", "MB freed"), outcomes.results, request.format))
    outcomes.require_all()


def locks(request: QueryRequest) -> None:
    """Who holds which board."""

    def holder(line: Line) -> list[str]:
        seconds, _, owner = leases.holder(line.session).partition(" ")
        return [line.name, owner or "free", seconds or "-"]

    outcomes = _ask(_boards(request), holder)
    columns = ("Board", "Held by", "For (s), unless renewed")
    print(tables.render(columns, outcomes.results, request.format))
    outcomes.require_all()


def rollback(request: RollbackRequest) -> None:
    """Make the former release current on each board."""
    boards = wanted.named_or_emulated(request)
    if request.dry_run:
        for name in boards.names:
            print(f"switch {name} to the release before its current one")
        return

    def back(line: Line) -> list[str]:
        mine = (line.lease.token, line.lease.owner)
        said = leases.script(line.session, line.lease, "rollback", HOME, *mine)
        if said == "nothing":
            raise WrongInput(
                f"{line.name} has no release before its current one", remedy="deploy to it first"
            )
        before, after = said.split("\n")
        return [line.name, before.removeprefix("from "), after.removeprefix("to ")]

    outcomes = _ask(boards, back)
    if outcomes.results:
        print(tables.render(("Board", "From", "To"), outcomes.results, "plain"))
    outcomes.require_all()


def power(request: PowerRequest) -> None:
    """Switch boards of a farm; prints what their ports say."""
    from piyard.fleet import labgrid

    boards = _boards(request)
    for name in boards.names:
        entry = choose.entry_of(name)
        if entry.source != "labgrid":
            raise WrongInput(
                f"{name} does not come from labgrid, which alone knows power ports",
                remedy="write source: labgrid and its place into the inventory",
            )
        if request.dry_run:
            print(f"power {request.action} {name}")
        else:
            state = labgrid.power(entry, request.action, wait_s=boards.wait_s)
            print(harmless.line(f"{name}: {state}"))


def places(coordinator: str, form: str) -> None:
    """The places of a labgrid farm."""
    from piyard.fleet import labgrid

    rows = [
        [
            place.name,
            ", ".join(f"{k}={v}" for k, v in place.tags.items()),
            place.acquired_by or "free",
        ]
        for place in labgrid.places(coordinator)
    ]
    print(tables.render(("Place", "Tags", "Held by"), rows, form))


def _boards(request: OnBoards) -> Boards:
    """The boards named; raises ``WrongInput`` without any: all of them are meant only by --all."""
    if not request.hosts and not request.all:
        raise choose.nobody()
    return wanted.named_boards(request)


def _ask(boards: Boards, ask: Callable[[Line], R]) -> Outcomes[str, R]:
    """What each board answers, all asked at once."""
    return fanout.each(
        boards.lines(),
        list(boards.names),
        lambda line, _name: ask(line),
        group_of_job=lambda name: name,
        parallel=boards.parallel,
    )


def _argv(command: str) -> list[str]:
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise WrongInput(f"--command: {error}", remedy="close each quote") from None
    if not argv:
        raise WrongInput("--command is empty", remedy="for example --command 'uname -a'")
    return argv


def _json(value: Any) -> str:
    return harmless.json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _listed(name: str, entry: inventory.Entry) -> list[str]:
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
