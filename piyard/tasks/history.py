"""Tasks about what was measured before: list it, compare it, measure two builds in turns."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from piyard.tasks import texts


@task(
    iterable=["host", "model"],
    help={
        "host": "only boards of that name, glob or @tag; repeat for more",
        "model": "only models of that name or glob; repeat for more",
        "since": "only from that day on, as 2026-11-01, or that moment (UTC)",
        "last": "only so many of the newest (30)",
        "rebuild": "make the index again from all stored results",
        "format": texts.FORMAT,
    },
)
def history(
    _c: Context,
    host: list[str],
    model: list[str],
    since: str = "",
    last: str = "",
    rebuild: bool = False,
    format: str = "plain",
) -> None:
    """List stored results, the newest last, each with its change since the one before."""
    from piyard.commands import history as known

    known.listed(locals())
