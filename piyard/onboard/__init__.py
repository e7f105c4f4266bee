"""What runs on a board besides nnrun: POSIX shell scripts, constant text.

Nothing a user typed is ever part of a script; what varies comes in as ``$1``, ``$2``.
"""

from __future__ import annotations

from functools import cache

from piyard import paths

FOLDER = next(
    folder
    for folder in (paths.PACKAGE / "board" / "scripts", paths.PACKAGE / "onboard")
    if folder.is_dir()
)
LEASE = ("process", "governor", "lease")
NEEDS = {
    "deploy": (*LEASE, "facts", "blob", "need"),
    "start": (*LEASE, "blob", "need"),
    "probe": ("need", "blob"),
    "supervise": LEASE,
    "status": ("process",),
    "cancel": ("process",),
    "gc": LEASE,
    "rollback": LEASE,
    "facts_now": ("facts",),
    "locks": LEASE,
    "lease_take": LEASE,
    "governor_restore": LEASE,
}
"""The scripts whose functions another one uses."""


@cache
def script(name: str) -> str:
    """The text of a script with the functions it needs before it."""
    parts = (*NEEDS.get(name, ()), name)
    return "\n".join((FOLDER / f"{part}.sh").read_text(encoding="utf-8") for part in parts)
