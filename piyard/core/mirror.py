"""Files known by their sha256 in the folder ``PIYARD_MIRROR``.

Its ``SHA256SUMS`` lists files; others are hashed once and indexed by size and time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from piyard.core import console, paths
from piyard.core.errors import WrongInput
from piyard.core.files import atomic_write, sha256_of_file

MIRROR_VARIABLE = "PIYARD_MIRROR"
SUMS_FILE = "SHA256SUMS"

_SUM_LINE = re.compile(r"\\?([0-9a-fA-F]{64}) [ *](.+)")


def mirror_folder() -> Path | None:
    """The mirror, or None without one. Raises ``WrongInput`` for a path that is not a folder."""
    named = os.environ.get(MIRROR_VARIABLE)
    if not named:
        return None
    if not Path(named).is_dir():
        raise WrongInput(
            f"{MIRROR_VARIABLE}={named} is not a folder",
            remedy=f"correct or unset {MIRROR_VARIABLE}",
        )
    return Path(named).absolute()


def mirror_claims(sha256: str) -> Iterator[tuple[str, Path]]:
    """(full digest, path) of each file listed with a digest that begins so."""
    root = mirror_folder()
    if not root:
        return
    listed = _listed_digests(root)
    yield from _matching_claims(sha256, listed)
    yield from _matching_claims(sha256, _scanned_digests(root, skip=set(listed)))


def find_in_mirror(sha256: str) -> Path | None:
    """A file of the mirror whose bytes have a digest that begins so."""
    for claimed, path in mirror_claims(sha256):
        if path.is_file() and sha256_of_file(path) == claimed:
            return path
        console.info(f"{path} does not have the sha256 that the mirror lists: skipped")
    return None


def _matching_claims(sha256: str, digests: dict[Path, str]) -> Iterator[tuple[str, Path]]:
    return ((full, path) for path, full in digests.items() if full.startswith(sha256))


def _listed_digests(root: Path) -> dict[Path, str]:
    sums = root / SUMS_FILE
    text = sums.read_text(encoding="utf-8", errors="replace") if sums.is_file() else ""
    lines = (_SUM_LINE.fullmatch(line) for line in text.splitlines())
    return {root / line[2].removeprefix("./"): line[1].lower() for line in lines if line}


def _scanned_digests(root: Path, skip: set[Path]) -> dict[Path, str]:
    index = _read_index()
    fresh: dict[str, list[int | str]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path not in skip and path.name != SUMS_FILE:
            stat = path.stat()
            state: list[int | str] = [stat.st_size, stat.st_mtime_ns]
            entry = index.get(str(path))
            current = entry if entry and entry[:2] == state else [*state, sha256_of_file(path)]
            fresh[str(path)] = current
    if any(index.get(path) != entry for path, entry in fresh.items()):
        _write_index(index | fresh)
    return {Path(path): str(entry[2]) for path, entry in fresh.items()}


def _index_file() -> Path:
    return paths.cache() / "mirror-index.json"


def _read_index() -> dict[str, list[int | str]]:
    with contextlib.suppress(OSError, ValueError):
        index: dict[str, list[int | str]] = json.loads(_index_file().read_text())
        return index
    return {}


def _write_index(index: dict[str, list[int | str]]) -> None:
    with atomic_write(_index_file()) as draft:
        draft.write_text(json.dumps(index))
