"""Tasks about emulated boards."""

from __future__ import annotations

from invoke.context import Context

from piyard.tasks import texts
from piyard.tasks.defaults import TARGET
from piyard.tasks.letters import task

BOARD = "the board's kind, or kind/number where several are wanted: rpi5/2"


@task(help={"target": BOARD, "dry-run": texts.DRY_RUN})
def up(_c: Context, target: str = TARGET, dry_run: bool = False) -> None:
    """Start an emulated board."""
    from piyard.commands import emulated

    emulated.up(target, dry_run=dry_run)


@task(
    help={
        "target": BOARD,
        "yes": "also one that another process uses, or that another checkout started",
        "dry-run": texts.DRY_RUN,
    }
)
def down(_c: Context, target: str = TARGET, yes: bool = False, dry_run: bool = False) -> None:
    """Stop an emulated board; what is on it is gone."""
    from piyard.commands import emulated

    emulated.down(target, yes=yes, dry_run=dry_run)


@task(name="list", help={"format": texts.FORMAT})
def listed(_c: Context, format: str = "plain") -> None:
    """The emulated boards that run."""
    from piyard.commands import emulated

    emulated.listed(format)
