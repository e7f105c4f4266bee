"""Disk errors of this machine, in one line: full, read-only, gone, or without permission.

What cannot be read or written here is an ``OSError``. Code that writes adds the path where it is
missing (``said_of``); where a command ends (ending.py), and where the jobs of several boards are
collected (fanout.py), it becomes a ``PiyardError``.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from piyard import paths
from piyard.errors import DiskUnusable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ENXIO})
FAILING = frozenset({*FULL, errno.EROFS, errno.EIO, errno.ESTALE})
"""A disk's own failures, whatever is written there."""
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
LEAST_BYTES = 1 << 20
"""A disk with less counts as full: the write that failed may have been a larger block."""


@contextmanager
def said_of(place: Path, *scratch: Path) -> Iterator[None]:
    """A disk error in the block names ``place``, also where it happened in ``scratch``.

    torch, NumPy, pnnx and a compiler each report a full disk in their own words, or not at all:
    when anything fails and the disk is full, that is taken for the reason.
    """
    try:
        yield
    except Exception as error:
        path = _named(error)
        if isinstance(error, OSError) and error.errno is not None:
            if path is None or any(path.is_relative_to(folder) for folder in scratch):
                error.filename, error.filename2 = str(place), None
        else:
            require_room(place)
        raise


def require_room(folder: Path) -> None:
    """Raise the ``OSError`` of a full disk when the folder's disk is full."""
    if is_full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from None


def is_full(folder: Path) -> bool:
    """Whether the folder's disk has no free blocks, or no free inodes."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
    status = os.statvfs(existing)
    blocks = status.f_bfree if os.geteuid() == 0 else status.f_bavail
    return blocks * status.f_frsize < LEAST_BYTES or bool(status.f_files and not status.f_favail)


def trouble(error: OSError) -> DiskUnusable | None:
    """The error for people; None for one that is not the operating system's."""
    if error.errno is None:
        return None
    path = _named(error)
    problem, remedy = _words(error.errno, error.strerror or str(error))
    elsewhere = _elsewhere(path) if path and error.errno not in GONE else ""
    advice = ", or ".join(filter(None, [remedy, elsewhere]))
    return DiskUnusable(f"{path}: {problem}" if path else problem, remedy=advice)


def _words(code: int, message: str) -> tuple[str, str]:
    """The problem, and the remedy."""
    if code in FULL:
        return "no room is left on its disk", "make room there"
    if code == errno.EROFS:
        return "its file system is read-only", "mount it writable"
    if code in FORBIDDEN:
        return "permission denied", "correct its owner or its mode"
    if code in GONE:
        return f"it is gone ({message})", "was it removed or unmounted meanwhile? try again"
    if code in {errno.EMFILE, errno.ENFILE}:
        return "too many files are open", "allow more of them: ulimit -n 4096"
    return message, "dmesg may say more about its disk"


def _elsewhere(path: Path) -> str:
    within = next((name for name, folder in _movable() if path.is_relative_to(folder)), "")
    return f"choose another place with {within}" if within else ""


def _movable() -> Iterator[tuple[str, Path]]:
    yield "PIYARD_ARTIFACTS", paths.artifacts()
    yield "XDG_CACHE_HOME", paths.cache()
    yield "XDG_DATA_HOME", paths.data()
    yield "XDG_CONFIG_HOME", paths.config()
    with suppress(OSError):  # there may be no usable temporary folder
        yield "TMPDIR", Path(tempfile.gettempdir())


def _named(error: Exception) -> Path | None:
    """The path in the error; of two, the destination."""
    names = (getattr(error, "filename2", None), getattr(error, "filename", None))
    return next((Path(os.fsdecode(name)) for name in names if isinstance(name, (str, bytes))), None)
