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
FAST, SMALL = 3, 12
"""zstd's levels: for a link that is faster than compressing, and for one that is limited."""
GZIP_FAST, GZIP_SMALL = 1, 6
GZIP_FORMAT = 31


def blobs(files: Sequence[File], *, zstd: bool, link_limit: int) -> Iterator[tuple[bytes, int]]:
    """Blocks to send, each with the bytes of files that are in the stream by then.

    ``link_limit`` bounds the bytes a second; 0 does not.
    """
    packed = _packed(_framed(files), _compressor(zstd=zstd, small=bool(link_limit)))
    return _paced(packed, link_limit) if link_limit else packed


def _framed(files: Sequence[File]) -> Iterator[bytes]:
    for file in files:
        yield f"{file.sha256} {file.size}\n".encode()
        with file.path.open("rb") as content:
            while block := content.read(BLOCK):
                yield block
    yield b"end 0\n"


def _compressor(*, zstd: bool, small: bool) -> Any:
    """An object with ``compress`` and ``flush``."""
    if not zstd:
        return zlib.compressobj(GZIP_SMALL if small else GZIP_FAST, wbits=GZIP_FORMAT)
    import zstandard

    return zstandard.ZstdCompressor(level=SMALL if small else FAST).compressobj()


def _packed(blocks: Iterable[bytes], compressor: Any) -> Iterator[tuple[bytes, int]]:
    done = 0
    for block in blocks:
        done += len(block)
        if ready := compressor.compress(block):
            yield ready, done
    yield compressor.flush(), done


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
