"""A release: the files of one folder on a board, named after their content, and their transfer.

They travel as one compressed stream: before each file a line ``sha256 size``, at the end ``end 0``.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from piyard.release import File

BLOCK = 256 * 1024
USUAL, LARGE, SMALL, DENSE = 3, 1, 12, -1
"""zstd's levels: usual; for large files; for a limited link; and for files that hardly compress,
which are stored."""
LARGE_BYTES = 8_000_000
DENSE_SHARE = 0.9
"""Weights keep more than this share of their size. On a wired link, compressing and decompressing
them takes longer than sending the bytes it saves."""
SAMPLE_BYTES = 128_000
GZIP_FAST, GZIP_SMALL, GZIP_DENSE = 1, 6, 0
GZIP_FORMAT = 31
SHARED_BYTES = 256_000_000
"""Up to this size a file is compressed once for all boards it is sent to at that time; its frame
stays in memory meanwhile."""

END = b"end 0\n"

_guard = Lock()
_frames: WeakValueDictionary[tuple[File, bool, bool], Frame] = WeakValueDictionary()


def blobs(files: Sequence[File], *, zstd: bool, link_limit: int) -> Iterator[tuple[bytes, int]]:
    """Blocks to send, each with the number of file bytes sent by then.

    ``link_limit`` limits the bytes per second; 0 means no limit.
    """
    packed = _packed(files, zstd=zstd, small=bool(link_limit))
    return _paced(packed, link_limit) if link_limit else packed


def plain(files: Sequence[File], *, link_limit: int) -> Iterator[tuple[bytes, int]]:
    """The same, uncompressed, for a board that cannot decompress."""
    blocks = _plain(files)
    return _paced(blocks, link_limit) if link_limit else blocks


def _plain(files: Sequence[File]) -> Iterator[tuple[bytes, int]]:
    done = 0
    for file in files:
        yield _header(file), done
        for block in _content(file):
            done += len(block)
            yield block, done
    yield END, done


def _header(file: File) -> bytes:
    return f"{file.sha256} {file.size}\n".encode()


def _packed(files: Sequence[File], *, zstd: bool, small: bool) -> Iterator[tuple[bytes, int]]:
    """A frame of its own for each file: unpackers read one after the other."""
    before = 0
    for file in files:
        for block, done in _frame(file, zstd=zstd, small=small):
            yield block, before + done
        before += file.size
    last = _compressor(USUAL if zstd else GZIP_FAST, zstd=zstd)
    yield last.compress(END) + last.flush(), before


def _frame(file: File, *, zstd: bool, small: bool) -> Iterable[tuple[bytes, int]]:
    """The file's frame: shared with other boards it is being sent to, or a new one."""
    if file.size > SHARED_BYTES:
        return _compressed(file, zstd=zstd, small=small)
    with _guard:
        # The local name keeps a new one alive: the dictionary holds only weak references.
        frame = _frames.get((file, zstd, small)) or Frame(_compressed(file, zstd=zstd, small=small))
        _frames[file, zstd, small] = frame
        return frame


class Frame:
    """Blocks that several threads read, each from the first one, while they are being compressed.

    The first reader that needs a block compresses it.
    """

    def __init__(self, blocks: Iterator[tuple[bytes, int]]) -> None:
        self._source = blocks
        self._blocks: list[tuple[bytes, int]] = []
        self._guard = Lock()
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        at = 0
        while at < len(self._blocks) or self._read_more(at):
            yield self._blocks[at]
            at += 1

    def _read_more(self, at: int) -> bool:
        with self._guard:
            if at < len(self._blocks):
                return True
            if self._error:
                raise self._error
            try:
                self._blocks.extend(islice(self._source, 1))
            except OSError as error:
                self._error = error
                raise
            return at < len(self._blocks)


def _compressed(file: File, *, zstd: bool, small: bool) -> Iterator[tuple[bytes, int]]:
    """Blocks of one frame, each with the number of file bytes compressed by then."""
    compressor = _compressor(_level(file, zstd=zstd, small=small), zstd=zstd)
    yield compressor.compress(_header(file)), 0
    done = 0
    for block in _content(file):
        done += len(block)
        if ready := compressor.compress(block):
            yield ready, done
    yield compressor.flush(), done


def _content(file: File) -> Iterator[bytes]:
    with file.path.open("rb") as content:
        while block := content.read(BLOCK):
            yield block


def _level(file: File, *, zstd: bool, small: bool) -> int:
    """The level: a higher one costs time at both ends of the link."""
    if small:
        return SMALL if zstd else GZIP_SMALL
    if file.size < LARGE_BYTES:
        return USUAL if zstd else GZIP_FAST
    if _is_dense(file):
        return DENSE if zstd else GZIP_DENSE
    return LARGE if zstd else GZIP_FAST


def _is_dense(file: File) -> bool:
    """Whether a sample from its middle hardly compresses."""
    with file.path.open("rb") as content:
        content.seek(file.size // 2)
        sample = content.read(SAMPLE_BYTES)
    return len(zlib.compress(sample, GZIP_FAST)) > DENSE_SHARE * len(sample)


def _compressor(level: int, *, zstd: bool) -> Any:
    """An object with ``compress`` and ``flush``."""
    if not zstd:
        return zlib.compressobj(level, wbits=GZIP_FORMAT)
    import zstandard

    return zstandard.ZstdCompressor(level=level).compressobj()


def _paced(
    blocks: Iterable[tuple[bytes, int]],
    limit: int,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[bytes, int]]:
    """No more than ``limit`` bytes a second, in pieces of a tenth of that."""
    piece, due = max(1, limit // 10), now()
    for block, done in blocks:
        for at in range(0, len(block), piece):
            part = block[at : at + piece]
            due = max(due, now()) + len(part) / limit
            yield part, done
            sleep(max(0.0, due - now()))
