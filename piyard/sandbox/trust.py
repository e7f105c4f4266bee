"""Files that the user trusts, by their sha256: programs among them run with the user's rights."""

from __future__ import annotations

from pathlib import Path

from piyard import digest, paths, whole

_passing: set[str] = set()
"""Trusted while this process runs."""


def add(file: Path, *, lasting: bool = True) -> None:
    """Trust this file, at any path, from now on."""
    trusted, sha256 = _known(), digest.of_file(file)
    _passing.add(sha256)
    if lasting and sha256 not in trusted:
        text = "".join(f"{entry}\n" for entry in [*trusted, sha256])
        whole.write(_list(), text, remedy="check the folder's rights")


def is_trusted(file: Path) -> bool:
    """Whether this user trusted the file before."""
    trusted = _passing.union(_known())
    return bool(trusted) and digest.of_file(file) in trusted


def _known() -> list[str]:
    try:
        return _list().read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        return []


def _list() -> Path:
    return paths.data() / "trusted"
