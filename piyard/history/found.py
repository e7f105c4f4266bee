"""Result files and run folders on disk: their names and stamps, without opening a file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from piyard import paths, run
from piyard.history import places


class Stamp(NamedTuple):
    """What changes when a file is rewritten; a rename always brings another inode."""

    shelf: str
    """``results`` or ``runs``."""
    mtime_ns: int
    size: int
    inode: int


def stamps() -> dict[str, Stamp]:
    """The stamp of each run that has a result file, or else a folder; sweeps old drafts."""
    stamps = dict(_files())
    return stamps | dict(_folders(stamps.keys()))


def _files() -> Iterator[tuple[str, Stamp]]:
    for entry in _listed(places.RESULTS):
        if entry.name.startswith(places.DRAFT):
            places.sweep(Path(entry.path))
        elif entry.name.endswith(places.SUFFIX) and (stamp := _stamp(places.RESULTS, entry)):
            yield entry.name.removesuffix(places.SUFFIX), stamp


def _folders(indexed: Collection[str]) -> Iterator[tuple[str, Stamp]]:
    for entry in _listed(run.SHELF):
        if entry.name not in indexed and (
            stamp := _stamp(run.SHELF, Path(entry.path) / run.RECORD)
        ):
            yield entry.name, stamp


def _listed(shelf: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(paths.artifacts() / shelf) as entries:
            yield from entries
    except FileNotFoundError:
        return


def _stamp(shelf: str, file: os.DirEntry[str] | Path) -> Stamp | None:
    """None for a file that vanished while the folder was read, or was never there."""
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Stamp(shelf, status.st_mtime_ns, status.st_size, status.st_ino)
