"""``PIYARD_MIRROR``: a folder of files that is searched, by sha256, before the network is used.

Its ``SHA256SUMS`` (as ``sha256sum`` writes it) lists files; those it does not list are hashed once
and indexed by size and time. Either is a hint only: bytes are hashed before use.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from piyard import digest, paths, say, whole
from piyard.errors import WrongInput

VARIABLE = "PIYARD_MIRROR"
SUMS = "SHA256SUMS"

_SUM_LINE = re.compile(r"\\?([0-9a-fA-F]{64}) [ *](.+)")


def folder() -> Path | None:
    """The mirror, or None without one. Raises ``WrongInput`` for a path that is not a folder."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    if not Path(named).is_dir():
        raise WrongInput(
            f"{VARIABLE}={named} is not a folder", remedy=f"correct or unset {VARIABLE}"
        )
    return Path(named).absolute()


def claims(sha256: str) -> Iterator[tuple[str, Path]]:
    """(full digest, path) of each file listed with a digest that begins so."""
    root = folder()
    if not root:
        return
    listed = _listed(root)
    yield from _matching(sha256, listed)
    yield from _matching(sha256, _scanned(root, skip=set(listed)))


def find(sha256: str) -> Path | None:
    """A file of the mirror whose bytes have a digest that begins so."""
    for claimed, path in claims(sha256):
        if path.is_file() and digest.of_file(path) == claimed:
            return path
        say.note(f"{path} does not have the sha256 that the mirror lists: skipped")
    return None


def _matching(sha256: str, digests: dict[Path, str]) -> Iterator[tuple[str, Path]]:
    return ((full, path) for path, full in digests.items() if full.startswith(sha256))


def _listed(root: Path) -> dict[Path, str]:
    sums = root / SUMS
    text = sums.read_text(encoding="utf-8", errors="replace") if sums.is_file() else ""
    lines = (_SUM_LINE.fullmatch(line) for line in text.splitlines())
    return {root / line[2].removeprefix("./"): line[1].lower() for line in lines if line}


def _scanned(root: Path, skip: set[Path]) -> dict[Path, str]:
    index = _remembered()
    fresh: dict[str, list[int | str]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path not in skip and path.name != SUMS:
            stat = path.stat()
            state: list[int | str] = [stat.st_size, stat.st_mtime_ns]
            entry = index.get(str(path))
            current = entry if entry and entry[:2] == state else [*state, digest.of_file(path)]
            fresh[str(path)] = current
    if any(index.get(path) != entry for path, entry in fresh.items()):
        _remember(index | fresh)
    return {Path(path): str(entry[2]) for path, entry in fresh.items()}


def _index() -> Path:
    return paths.cache() / "mirror-index.json"


def _remembered() -> dict[str, list[int | str]]:
    with contextlib.suppress(OSError, ValueError):
        index: dict[str, list[int | str]] = json.loads(_index().read_text())
        return index
    return {}


def _remember(index: dict[str, list[int | str]]) -> None:
    with whole.draft(_index()) as draft:
        draft.write_text(json.dumps(index))
