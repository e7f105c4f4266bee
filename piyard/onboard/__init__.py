"""One command on a board: a script's text, the frame around its output, its standard streams.

The login shell may be bash, fish, zsh or csh, and its start-up files may print. So the line has
only characters that all of them read alike, starts ``sh`` at once, and the command's output lies
between two random markers on both of its streams. Anything outside them is noise.

Scripts are POSIX shell, constant text: nothing a user typed is ever part of one; what varies comes
in as ``$1``, ``$2``.
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
