"""Archives from a board, unpacked within bounds of disk and memory."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import IO, Any, NamedTuple

BLOCK = 512
GZIP = b"\x1f\x8b"
MOST_FILES = 100_000
MOST_BYTES = 16 << 30
"""Of all files together, unpacked: all blobs of a large net are some 2 GB."""
MOST_PACKED = 4 << 30
LONGEST_NAME = 1 << 16
"""Bytes of a header that stands for a long name: tarfile holds it in memory."""
NAMES = frozenset(b"xgLKX")
"""Types of such headers."""
SKIPPED = 1 << 20


class _Member(NamedTuple):
    """A header: the type of the entry, and how many bytes follow."""

    type: int
    size: int


@contextmanager
def opened(packed: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """An archive, compressed by gzip or not.

    Raises ``tarfile.TarError`` for one that would fill disk or memory, before it is unpacked.
    """
    packed.seek(0)
    is_gzip = packed.read(len(GZIP)) == GZIP
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
        if count > MOST_FILES or total > MOST_BYTES:
            raise tarfile.ReadError(
                f"more than {MOST_FILES:,} files, or more than {MOST_BYTES >> 30} GiB"
            )
        if member.type in NAMES and member.size > LONGEST_NAME:
            raise tarfile.ReadError("a name that is too long")
        _skip(stream, -(-member.size // BLOCK) * BLOCK)


def _members(stream: IO[bytes]) -> Iterator[_Member]:
    """The headers up to the empty one at the end; the caller skips what follows each."""
    while len(header := stream.read(BLOCK)) == BLOCK and header.strip(b"\0"):
        size = tarfile.nti(header[124:136])  # type: ignore[attr-defined]
        if size < 0:
            raise tarfile.ReadError("a file of negative size")
        yield _Member(header[156], size)


def _skip(stream: IO[bytes], size: int) -> None:
    while size > 0 and (block := stream.read(min(size, SKIPPED))):
        size -= len(block)
