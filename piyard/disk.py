"""This machine's disks: one that is full, read-only, gone or somebody else's is one line.

Whatever cannot be read or written here is an ``OSError``. What writes adds the place where that is
missing (``said_of``); where a command ends (ending.py), and where the jobs of several boards are
collected (fanout.py), it becomes an error for people.
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
"""A disk with less is full: who failed there may have wanted to write a larger block."""


@contextmanager
def said_of(place: Path, *scratch: Path) -> Iterator[None]:
    """What fails in the block for want of room is said of ``place``, and so is ``scratch`` there.

    torch, NumPy, pnnx and a compiler each have words of their own for a full disk, or none: when
    anything fails and that disk is full, that is why.
    """
    try:
        yield
    except Exception as error:
        named = _named(error)
        if isinstance(error, OSError) and error.errno is not None:
            if named is None or any(named.is_relative_to(folder) for folder in scratch):
                error.filename, error.filename2 = str(place), None
        else:
            require_room(place)
        raise


def require_room(folder: Path) -> None:
    """Raise the ``OSError`` of a full disk where it is one."""
    if is_full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from None


def is_full(folder: Path) -> bool:
    """Whether its disk has no room, or no room for one file more."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    seen = os.statvfs(there)
    blocks = seen.f_bfree if os.geteuid() == 0 else seen.f_bavail
    return blocks * seen.f_frsize < LEAST_BYTES or bool(seen.f_files and not seen.f_favail)


def trouble(error: OSError) -> DiskUnusable | None:
    """What to tell people of it; None for an error that is not the operating system's."""
    if error.errno is None:
        return None
    named = _named(error)
    what, remedy = _words(error.errno, error.strerror or str(error))
    elsewhere = _elsewhere(named) if named and error.errno not in GONE else ""
    advice = ", or ".join(filter(None, [remedy, elsewhere]))
    return DiskUnusable(f"{named}: {what}" if named else what, remedy=advice)


def _words(code: int, said: str) -> tuple[str, str]:
    """What it is called, and what to do about it."""
    if code in FULL:
        return "no room is left on its disk", "make room there"
    if code == errno.EROFS:
        return "its file system is read-only", "mount it writable"
    if code in FORBIDDEN:
        return "permission denied", "give yourself the right to it"
    if code in GONE:
        return f"it is gone ({said})", "was it removed or unmounted meanwhile? do it once more"
    if code in {errno.EMFILE, errno.ENFILE}:
        return "too many files are open", "allow more of them: ulimit -n 4096"
    return said, "dmesg may say more about its disk"


def _elsewhere(path: Path) -> str:
    within = next((name for name, folder in _movable() if path.is_relative_to(folder)), "")
    return f"choose another place with {within}" if within else ""


def _movable() -> Iterator[tuple[str, Path]]:
    yield "PIYARD_ARTIFACTS", paths.artifacts()
    yield "XDG_CACHE_HOME", paths.cache()
    yield "XDG_DATA_HOME", paths.data()
    yield "XDG_CONFIG_HOME", paths.config()
    with suppress(OSError):  # there may be no place for scratch at all
        yield "TMPDIR", Path(tempfile.gettempdir())


def _named(error: Exception) -> Path | None:
    """The file it is about; of two, where something was to be put."""
    names = (getattr(error, "filename2", None), getattr(error, "filename", None))
    return next((Path(os.fsdecode(name)) for name in names if isinstance(name, (str, bytes))), None)
