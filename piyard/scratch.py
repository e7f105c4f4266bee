"""Scratch folders: removed at the end whatever happens, on the disk that ``TMPDIR`` names."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from piyard import disk, whole


@contextmanager
def folder(prefix: str, *, within: Path | None = None) -> Iterator[Path]:
    """An empty folder; ``within`` chooses its disk, so that a move to that disk is a rename."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=within) as name:
        place = Path(name)
        with disk.said_of(place.parent, place):
            yield place


def move(file: Path, to: Path) -> None:
    """Move a file out of a scratch folder, atomically, also to another disk."""
    try:
        file.replace(to)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with whole.draft(to) as draft:
            shutil.copyfile(file, draft)
        file.unlink()
