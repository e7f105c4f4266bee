"""Files: hashed, written whole or not at all, in scratch folders, unpacked within bounds.

What cannot be read or written here is an ``OSError``; code that writes adds the path where it is
missing (``disk_errors_at``), and ``disk_error`` makes it an error for people.

"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from piyard.core import paths
from piyard.core.errors import DiskUnusable, WrongInput


def sha256_of_file(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """sha256 over the relative names and bytes of all files below ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sha256_of_value(
        {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in files}
    )


def sha256_of_files(paths: Iterable[Path]) -> str:
    """sha256 over the names and bytes of the given files."""
    return sha256_of_value({path.name: sha256_of_file(path) for path in paths})


def sha256_of_value(value: Any) -> str:
    """sha256 of a JSON-able value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
PATH_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ENXIO})
DISK_FAILURES = frozenset({*DISK_FULL, errno.EROFS, errno.EIO, errno.ESTALE})
"""A disk's own failures, whatever is written there."""
ACCESS_DENIED = frozenset({errno.EACCES, errno.EPERM})
MIN_FREE_BYTES = 1 << 20
"""A disk with less counts as full: the write that failed may have been a larger block."""


@contextmanager
def disk_errors_at(place: Path, *scratch: Path) -> Iterator[None]:
    """A disk error in the block names ``place``, also where it happened in ``scratch``.

    torch, NumPy, pnnx and a compiler each report a full disk in their own words, or not at all:
    when anything fails and the disk is full, that is taken for the reason.
    """
    try:
        yield
    except Exception as error:
        path = _path_of_error(error)
        if isinstance(error, OSError) and error.errno is not None:
            if path is None or any(path.is_relative_to(folder) for folder in scratch):
                error.filename, error.filename2 = str(place), None
        else:
            require_room(place)
        raise


def require_room(folder: Path) -> None:
    """Raise the ``OSError`` of a full disk when the folder's disk is full."""
    if is_disk_full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from None


def is_disk_full(folder: Path) -> bool:
    """Whether the folder's disk has no free blocks, or no free inodes."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
    status = os.statvfs(existing)
    blocks = status.f_bfree if os.geteuid() == 0 else status.f_bavail
    return blocks * status.f_frsize < MIN_FREE_BYTES or bool(status.f_files and not status.f_favail)


def disk_error(error: OSError) -> DiskUnusable | None:
    """The error for people; None for one that is not the operating system's."""
    if error.errno is None:
        return None
    path = _path_of_error(error)
    problem, remedy = _describe_errno(error.errno, error.strerror or str(error))
    elsewhere = _relocation_hint(path) if path and error.errno not in PATH_GONE else ""
    advice = ", or ".join(filter(None, [remedy, elsewhere]))
    return DiskUnusable(f"{path}: {problem}" if path else problem, remedy=advice)


def _describe_errno(code: int, message: str) -> tuple[str, str]:
    """The problem, and the remedy."""
    if code in DISK_FULL:
        return "no room is left on its disk", "make room there"
    if code == errno.EROFS:
        return "its file system is read-only", "mount it writable"
    if code in ACCESS_DENIED:
        return "permission denied", "correct its owner or its mode"
    if code in PATH_GONE:
        return f"it is gone ({message})", "was it removed or unmounted meanwhile? try again"
    if code in {errno.EMFILE, errno.ENFILE}:
        return "too many files are open", "allow more of them: ulimit -n 4096"
    return message, "dmesg may say more about its disk"


def _relocation_hint(path: Path) -> str:
    within = next(
        (name for name, folder in _relocatable_folders() if path.is_relative_to(folder)), ""
    )
    return f"choose another place with {within}" if within else ""


def _relocatable_folders() -> Iterator[tuple[str, Path]]:
    yield "PIYARD_ARTIFACTS", paths.artifacts()
    yield "XDG_CACHE_HOME", paths.cache()
    yield "XDG_DATA_HOME", paths.data()
    yield "XDG_CONFIG_HOME", paths.config()
    with suppress(OSError):  # there may be no usable temporary folder
        yield "TMPDIR", Path(tempfile.gettempdir())


def _path_of_error(error: Exception) -> Path | None:
    """The path in the error; of two, the destination."""
    names = (getattr(error, "filename2", None), getattr(error, "filename", None))
    return next((Path(os.fsdecode(name)) for name in names if isinstance(name, (str, bytes))), None)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A draft to write, renamed to ``path`` after the block, or removed when the block raises.

    A reader of ``path`` sees the old file or the new one, never a part.
    """
    # Threads share a process id: each draft has a name of its own.
    draft_file = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with disk_errors_at(path, draft_file):
            yield draft_file
            draft_file.replace(path)
    finally:
        draft_file.unlink(missing_ok=True)


def write_text(path: Path, text: str, remedy: str = "") -> None:
    """Write by one rename; raises ``WrongInput``, with the remedy, when it cannot be written.

    A pipe or a device, as /dev/null, is written to directly: a rename would replace it.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        with atomic_write(path) as file:
            file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        trouble = disk_error(error)
        advice = remedy or (trouble.remedy if trouble else "")
        raise WrongInput(f"{path} cannot be written: {error.strerror}", remedy=advice) from None


@contextmanager
def scratch_folder(prefix: str, *, within: Path | None = None) -> Iterator[Path]:
    """An empty folder; ``within`` chooses its disk, so that a move to that disk is a rename."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=within) as name:
        place = Path(name)
        with disk_errors_at(place.parent, place):
            yield place


def move_file(file: Path, to: Path) -> None:
    """Move a file out of a scratch folder, atomically, also to another disk."""
    try:
        file.replace(to)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic_write(to) as draft:
            shutil.copyfile(file, draft)
        file.unlink()


TAR_BLOCK = 512
GZIP_MAGIC = b"\x1f\x8b"
MAX_FILES = 100_000
MAX_UNPACKED_BYTES = 16 << 30
"""Of all files together, unpacked: all blobs of a large net are some 2 GB."""
MAX_PACKED_BYTES = 4 << 30
MAX_NAME_BYTES = 1 << 16
"""Bytes of a header that stands for a long name: tarfile holds it in memory."""
LONG_NAME_TYPES = frozenset(b"xgLKX")
"""Types of such headers."""
SKIP_BLOCK = 1 << 20


class _Member(NamedTuple):
    """A header: the type of the entry, and how many bytes follow."""

    type: int
    size: int


@contextmanager
def open_archive(packed: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """An archive, compressed by gzip or not.

    Raises ``tarfile.TarError`` for one that would fill disk or memory, before it is unpacked.
    """
    packed.seek(0)
    is_gzip = packed.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    packed.seek(0)
    unzipped: Any = gzip.GzipFile(fileobj=packed) if is_gzip else nullcontext(packed)
    with unzipped as stream:
        _require_bounded(stream)
    packed.seek(0)
    with tarfile.open(fileobj=packed, mode="r:gz" if is_gzip else "r:") as archive:
        yield archive


def _require_bounded(stream: IO[bytes]) -> None:
    total = 0
    for count, member in enumerate(_members(stream), 1):
        total += member.size
        if count > MAX_FILES or total > MAX_UNPACKED_BYTES:
            raise tarfile.ReadError(
                f"more than {MAX_FILES:,} files, or more than {MAX_UNPACKED_BYTES >> 30} GiB"
            )
        if member.type in LONG_NAME_TYPES and member.size > MAX_NAME_BYTES:
            raise tarfile.ReadError("a name that is too long")
        _skip(stream, -(-member.size // TAR_BLOCK) * TAR_BLOCK)


def _members(stream: IO[bytes]) -> Iterator[_Member]:
    """The headers up to the empty one at the end; the caller skips what follows each."""
    while len(header := stream.read(TAR_BLOCK)) == TAR_BLOCK and header.strip(b"\0"):
        size = tarfile.nti(header[124:136])  # type: ignore[attr-defined]
        if size < 0:
            raise tarfile.ReadError("a file of negative size")
        yield _Member(header[156], size)


def _skip(stream: IO[bytes], size: int) -> None:
    while size > 0 and (block := stream.read(min(size, SKIP_BLOCK))):
        size -= len(block)
