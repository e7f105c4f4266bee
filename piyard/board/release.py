"""A release: the files of one folder on a board, named after their content, and their transfer.

They travel as one compressed stream: before each file a line ``sha256 size``, at the end ``end 0``.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.files import sha256_of_file
from piyard.core.store import key_of, read_files

HOME = ".piyard"
"""Everything piyard keeps on a board, in the login folder."""


class ReleaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a release: its name on the board, and the local file it is copied from."""

    name: str
    path: Path
    sha256: str
    size: int
    """Bytes."""

    def __post_init__(self) -> None:
        outside = self.name in {"", ".", ".."} or "/" in self.name or "\0" in self.name
        if outside or not _is_file_name(self.name):
            raise WrongInput(f"{self.name!r} cannot be a file of a release", remedy="rename it")


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Files that belong together on a board."""

    files: list[ReleaseFile]
    label: str = ""
    """A description for people."""

    @property
    def id(self) -> str:
        """A digest of names and contents."""
        return key_of({_printable_name(file.name): file.sha256 for file in self.files})

    @property
    def folder(self) -> str:
        """Where it is on the board, relative to the login folder."""
        return f"{HOME}/releases/{self.id}"

    @property
    def title(self) -> str:
        """The label as one line of plain text, or a dash."""
        return " ".join("".join(c if c.isprintable() else " " for c in self.label).split()) or "-"

    @property
    def digests(self) -> list[str]:
        """Name and sha256 of each file, one after the other."""
        return [part for file in self.files for part in (file.name, file.sha256)]


def release_of(*folders: tuple[Path, Sequence[str]], label: str = "") -> Release:
    """The release of these files of these artifacts, with the digests of their manifests."""
    files = [
        ReleaseFile(name=name, path=folder / name, sha256=f.sha256, size=f.bytes)
        for folder, names in folders
        for name in names
        for f in [read_files(folder)[name]]
    ]
    return Release(files=files, label=label)


def release_of_paths(paths: Mapping[str, Path], label: str = "") -> Release:
    """The release of these files, by the names that they have there."""
    files = [
        ReleaseFile(name=name, path=path, sha256=sha256_of_file(path), size=path.stat().st_size)
        for name, path in paths.items()
    ]
    return Release(files=files, label=label)


def _is_file_name(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _printable_name(name: str) -> str:
    """A name that is not UTF-8 as text that can be hashed."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


BLOCK_BYTES = 256 * 1024
ZSTD_USUAL, ZSTD_LARGE, ZSTD_SMALL, ZSTD_DENSE = 3, 1, 12, -1
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

END_LINE = b"end 0\n"

_guard = Lock()
_frames: WeakValueDictionary[tuple[ReleaseFile, bool, bool], SharedFrame] = WeakValueDictionary()


def compressed_stream(
    files: Sequence[ReleaseFile], *, zstd: bool, link_limit: int
) -> Iterator[tuple[bytes, int]]:
    """Blocks to send, each with the number of file bytes sent by then.

    ``link_limit`` limits the bytes per second; 0 means no limit.
    """
    packed = _packed_blocks(files, zstd=zstd, small=bool(link_limit))
    return _limit_rate(packed, link_limit) if link_limit else packed


def plain_stream(files: Sequence[ReleaseFile], *, link_limit: int) -> Iterator[tuple[bytes, int]]:
    """The same, uncompressed, for a board that cannot decompress."""
    blocks = _plain_blocks(files)
    return _limit_rate(blocks, link_limit) if link_limit else blocks


def _plain_blocks(files: Sequence[ReleaseFile]) -> Iterator[tuple[bytes, int]]:
    done = 0
    for file in files:
        yield _file_header(file), done
        for block in _file_blocks(file):
            done += len(block)
            yield block, done
    yield END_LINE, done


def _file_header(file: ReleaseFile) -> bytes:
    return f"{file.sha256} {file.size}\n".encode()


def _packed_blocks(
    files: Sequence[ReleaseFile], *, zstd: bool, small: bool
) -> Iterator[tuple[bytes, int]]:
    """A frame of its own for each file: unpackers read one after the other."""
    before = 0
    for file in files:
        for block, done in _shared_frame(file, zstd=zstd, small=small):
            yield block, before + done
        before += file.size
    last = _new_compressor(ZSTD_USUAL if zstd else GZIP_FAST, zstd=zstd)
    yield last.compress(END_LINE) + last.flush(), before


def _shared_frame(file: ReleaseFile, *, zstd: bool, small: bool) -> Iterable[tuple[bytes, int]]:
    """The file's frame: shared with other boards it is being sent to, or a new one."""
    if file.size > SHARED_BYTES:
        return _compressed_blocks(file, zstd=zstd, small=small)
    with _guard:
        # The local name keeps a new one alive: the dictionary holds only weak references.
        frame = _frames.get((file, zstd, small)) or SharedFrame(
            _compressed_blocks(file, zstd=zstd, small=small)
        )
        _frames[file, zstd, small] = frame
        return frame


class SharedFrame:
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


def _compressed_blocks(
    file: ReleaseFile, *, zstd: bool, small: bool
) -> Iterator[tuple[bytes, int]]:
    """Blocks of one frame, each with the number of file bytes compressed by then."""
    compressor = _new_compressor(_compression_level(file, zstd=zstd, small=small), zstd=zstd)
    yield compressor.compress(_file_header(file)), 0
    done = 0
    for block in _file_blocks(file):
        done += len(block)
        if ready := compressor.compress(block):
            yield ready, done
    yield compressor.flush(), done


def _file_blocks(file: ReleaseFile) -> Iterator[bytes]:
    with file.path.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            yield block


def _compression_level(file: ReleaseFile, *, zstd: bool, small: bool) -> int:
    """The level: a higher one costs time at both ends of the link."""
    if small:
        return ZSTD_SMALL if zstd else GZIP_SMALL
    if file.size < LARGE_BYTES:
        return ZSTD_USUAL if zstd else GZIP_FAST
    if _is_dense(file):
        return ZSTD_DENSE if zstd else GZIP_DENSE
    return ZSTD_LARGE if zstd else GZIP_FAST


def _is_dense(file: ReleaseFile) -> bool:
    """Whether a sample from its middle hardly compresses."""
    with file.path.open("rb") as content:
        content.seek(file.size // 2)
        sample = content.read(SAMPLE_BYTES)
    return len(zlib.compress(sample, GZIP_FAST)) > DENSE_SHARE * len(sample)


def _new_compressor(level: int, *, zstd: bool) -> Any:
    """An object with ``compress`` and ``flush``."""
    if not zstd:
        return zlib.compressobj(level, wbits=GZIP_FORMAT)
    import zstandard

    return zstandard.ZstdCompressor(level=level).compressobj()


def _limit_rate(
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
