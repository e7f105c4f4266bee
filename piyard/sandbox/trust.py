"""Files that the user trusts, by their sha256: programs among them run with the user's rights."""

from __future__ import annotations

from pathlib import Path

from piyard import digest, paths, whole

_passing: set[str] = set()
"""Trusted as long as this process runs."""


def add(file: Path, *, lasting: bool = True) -> None:
    """Trust this file, wherever it lies, from now on."""
    known, sha256 = _known(), digest.of_file(file)
    _passing.add(sha256)
    if lasting and sha256 not in known:
        text = "".join(f"{one}\n" for one in [*known, sha256])
        whole.write(_list(), text, remedy="check the folder's rights")


def is_trusted(file: Path) -> bool:
    """Whether somebody who uses this account said so."""
    known = _passing.union(_known())
    return bool(known) and digest.of_file(file) in known


def _known() -> list[str]:
    try:
        return _list().read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        return []


def _list() -> Path:
    return paths.data() / "trusted"
