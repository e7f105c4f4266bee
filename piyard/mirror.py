"""``PIYARD_MIRROR``: a folder of files that is asked, by sha256, before the network is.

Its ``SHA256SUMS`` (as ``sha256sum`` writes it) says what is where; files it does not list are
hashed once and remembered by size and time. Either is a hint only: bytes are hashed before use.
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
    """The mirror, or None without one; a name that is no folder is ``WrongInput``."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    if not Path(named).is_dir():
        raise WrongInput(f"{VARIABLE}={named} is no folder", remedy=f"correct or unset {VARIABLE}")
    return Path(named).absolute()


def claims(sha256: str) -> Iterator[tuple[str, Path]]:
    """(full digest, path) of each file said to have this digest, or one that begins so."""
    at = folder()
    if not at:
        return
    listed = _listed(at)
    yield from _matching(sha256, listed)
    yield from _matching(sha256, _scanned(at, skip=set(listed)))


def find(sha256: str) -> Path | None:
    """A file of the mirror whose bytes really have this digest, or one that begins so."""
    for claimed, path in claims(sha256):
        if path.is_file() and digest.of_file(path) == claimed:
            return path
        say.note(f"{path} is not the file that the mirror says it is: passed over")
    return None


def _matching(sha256: str, digests: dict[Path, str]) -> Iterator[tuple[str, Path]]:
    return ((full, path) for path, full in digests.items() if full.startswith(sha256))


def _listed(at: Path) -> dict[Path, str]:
    sums = at / SUMS
    text = sums.read_text(encoding="utf-8", errors="replace") if sums.is_file() else ""
    lines = (_SUM_LINE.fullmatch(line) for line in text.splitlines())
    return {at / line[2].removeprefix("./"): line[1].lower() for line in lines if line}


def _scanned(at: Path, skip: set[Path]) -> dict[Path, str]:
    remembered = _remembered()
    found: dict[Path, list[int | str]] = {}
    for path in sorted(at.rglob("*")):
        if path.is_file() and path not in skip and path.name != SUMS:
            stat = path.stat()
            known = remembered.get(str(path))
            same = known is not None and known[:2] == [stat.st_size, stat.st_mtime_ns]
            found[path] = known if known and same else _hashed(path, stat)
    fresh = {str(path): entry for path, entry in found.items()}
    if any(remembered.get(path) != entry for path, entry in fresh.items()):
        _remember(remembered | fresh)
    return {path: str(entry[2]) for path, entry in found.items()}


def _hashed(path: Path, stat: os.stat_result) -> list[int | str]:
    return [stat.st_size, stat.st_mtime_ns, digest.of_file(path)]


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
