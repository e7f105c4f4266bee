"""Files → one compressed stream: before each file a line ``sha256 size``, at last ``end 0``."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from piyard.release import File

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCK = 256 * 1024
USUAL, LARGE, SMALL = 3, 1, 12
"""zstd's levels: usual; for large files, which are weights that no level packs better; and for a
link that is limited."""
LARGE_BYTES = 8_000_000
GZIP_FAST, GZIP_SMALL = 1, 6
GZIP_FORMAT = 31


def blobs(files: Sequence[File], *, zstd: bool, link_limit: int) -> Iterator[tuple[bytes, int]]:
    """Blocks to send, each with the bytes of files that are in the stream by then.

    ``link_limit`` bounds the bytes a second; 0 does not.
    """
    packed = _packed(files, zstd=zstd, small=bool(link_limit))
    return _paced(packed, link_limit) if link_limit else packed


def _packed(files: Sequence[File], *, zstd: bool, small: bool) -> Iterator[tuple[bytes, int]]:
    """A frame of its own for each file: unpackers read one after the other."""
    done = 0
    for file in files:
        compressor = _compressor(file.size, zstd=zstd, small=small)
        yield compressor.compress(f"{file.sha256} {file.size}\n".encode()), done
        for block in _content(file):
            done += len(block)
            if ready := compressor.compress(block):
                yield ready, done
        yield compressor.flush(), done
    last = _compressor(0, zstd=zstd, small=small)
    yield last.compress(b"end 0\n") + last.flush(), done


def _content(file: File) -> Iterator[bytes]:
    with file.path.open("rb") as content:
        while block := content.read(BLOCK):
            yield block


def _compressor(size: int, *, zstd: bool, small: bool) -> Any:
    """An object with ``compress`` and ``flush``."""
    if not zstd:
        return zlib.compressobj(GZIP_SMALL if small else GZIP_FAST, wbits=GZIP_FORMAT)
    import zstandard

    usual = LARGE if size >= LARGE_BYTES else USUAL
    return zstandard.ZstdCompressor(level=SMALL if small else usual).compressobj()


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
