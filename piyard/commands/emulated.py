"""Tasks about emulated boards: start, stop, list."""

from __future__ import annotations

import sys
from contextlib import suppress

from piyard import emulator, lease, paths, ssh, tables
from piyard.emulator import EmulatedBoard
from piyard.errors import BoardBusy, PiyardError


def up(target_name: str, *, dry_run: bool) -> None:
    """Start an emulated board and say how to reach it."""
    if dry_run:
        emulator.target_of(target_name)
        print(f"start emulated:{target_name} if it does not run")
        return
    board = emulator.up(target_name)
    print(f"{board.name} answers on port {board.port}: --host {board.name}")


def down(target_name: str, *, yes: bool, dry_run: bool) -> None:
    """Stop this checkout's emulated board; one that others use only with consent.

    Raises ``BoardBusy`` where it is used and nobody consents.
    """
    if dry_run:
        emulator.target_of(target_name)
        print(f"stop emulated:{target_name} if it runs")
        return
    emulator.target_of(target_name)
    name = emulator.PREFIX + target_name.removeprefix(emulator.PREFIX)
    boards = [board for board in emulator.of_user() if board.name == name]
    own = [board for board in boards if board.checkout == str(paths.ROOT)]
    for board in own or boards:
        if use := _use_of(board):
            _require_consent(f"{name} {use}", yes=yes)
    others = [] if own else boards
    for board in others:
        emulator.remove(board)
    stopped = emulator.down(target_name) or bool(others)
    print(f"{name} {'is stopped' if stopped else 'was not running'}")


def _use_of(board: EmulatedBoard) -> str:
    """Who else has to do with the board; nothing for one of our own that is idle."""
    if board.checkout != str(paths.ROOT):
        return f"is the board of the checkout {board.checkout or 'of an earlier piyard'}"
    with suppress(PiyardError), ssh.connect(board.login) as session:
        _, _, owner = lease.holder(session).partition(" ")
        return f"is in use by {owner}" if owner else ""
    return ""


def _require_consent(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise BoardBusy(what, remedy="--yes stops it all the same")
    print(f"{what}. Stop it all the same? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise BoardBusy(f"{what}: it is not stopped", remedy="wait until it is free")


def listed(form: str) -> None:
    """The emulated boards that run, of all checkouts of this user."""
    rows = [
        [
            *(board.name, board.target, board.container),
            tables.number(board.port),
            board.checkout or "unknown",
        ]
        for board in emulator.of_user()
    ]
    print(tables.render(("Board", "Target", "Container", "Port", "Checkout"), rows, form))
