"""The one stream of a deploy: framing, both compressions, and a link that is not ours alone."""

from __future__ import annotations

import gzip
import hashlib
import random
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.board import release
from piyard.board.release import (
    BLOCK_BYTES,
    ReleaseFile,
    SharedFrame,
    _file_blocks,
    _limit_rate,
    _shared_frame,
    compressed_stream,
)

CONTENTS = st.lists(st.binary(max_size=2000), max_size=5)


class Clock:
    """Time that passes only while somebody sleeps, or a slow link takes it."""

    def __init__(self) -> None:
        self.time, self.slept = 0.0, 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.time += seconds
        self.slept += seconds


def files(folder: Path, contents: Sequence[bytes]) -> list[ReleaseFile]:
    result = []
    for number, content in enumerate(contents):
        path = folder / str(number)
        path.write_bytes(content)
        sha = hashlib.sha256(content).hexdigest()
        result.append(ReleaseFile(name=path.name, path=path, sha256=sha, size=len(content)))
    return result


def framed(contents: Sequence[bytes]) -> bytes:
    heads = [f"{hashlib.sha256(c).hexdigest()} {len(c)}\n".encode() for c in contents]
    return b"".join(h + c for h, c in zip(heads, contents, strict=True)) + b"end 0\n"


def unpack(packed: bytes, *, zstd: bool) -> bytes:
    if zstd:
        reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        return bytes(reader.read())
    return gzip.decompress(packed)


def sent(what: Sequence[ReleaseFile], *, zstd: bool, link_limit: int = 0) -> bytes:
    return b"".join(b for b, _ in compressed_stream(what, zstd=zstd, link_limit=link_limit))


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "gzip"])
@settings(max_examples=30, deadline=None)
@given(contents=CONTENTS)
def test_what_is_packed_is_each_file_after_its_name_and_size(
    zstd: bool, contents: list[bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        packed = sent(files(Path(folder), contents), zstd=zstd)
    assert unpack(packed, zstd=zstd) == framed(contents)


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "gzip"])
def test_files_of_several_blocks_come_out_whole(tmp_path: Path, zstd: bool) -> None:
    contents = [bytes(range(256)) * (BLOCK_BYTES // 256) + b"x", b"y" * (2 * BLOCK_BYTES)]
    packed = sent(files(tmp_path, contents), zstd=zstd)
    assert unpack(packed, zstd=zstd) == framed(contents)


def test_nothing_to_send_is_an_end_all_the_same() -> None:
    assert unpack(sent([], zstd=True), zstd=True) == b"end 0\n"


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "gzip"])
def test_progress_never_goes_back_and_ends_with_all_of_it(tmp_path: Path, zstd: bool) -> None:
    what = files(tmp_path, [bytes(n % 251 for n in range(900_000)), b"abc"])
    done = [done for _, done in compressed_stream(what, zstd=zstd, link_limit=0)]
    assert done == sorted(done)
    assert done[-1] == 900_003


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "gzip"])
def test_a_limited_link_gets_the_smaller_stream(tmp_path: Path, zstd: bool) -> None:
    text = " ".join(str(n * n) for n in range(60_000)).encode()
    what = files(tmp_path, [text])
    fast, small = (
        sent(what, zstd=zstd),
        sent(what, zstd=zstd, link_limit=10**9),
    )
    assert len(small) < len(fast) < len(text)
    assert unpack(small, zstd=zstd) == unpack(fast, zstd=zstd)


def test_only_a_block_at_a_time_is_in_memory(tmp_path: Path) -> None:
    (what,) = files(tmp_path, [bytes(5 * BLOCK_BYTES)])
    assert max(len(block) for block in _file_blocks(what)) == BLOCK_BYTES


def test_several_boards_get_the_same_stream_and_a_large_file_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = files(tmp_path, [bytes(n % 251 for n in range(3 * BLOCK_BYTES)), b"abc"])
    alone = sent(what, zstd=True)
    read: list[Path] = []
    content = _file_blocks

    def counted(file: ReleaseFile) -> Iterator[bytes]:
        read.append(file.path)
        return content(file)

    monkeypatch.setattr(release, "_file_blocks", counted)
    boards = [compressed_stream(what, zstd=True, link_limit=0) for _ in range(3)]
    pieces: list[list[bytes]] = [[], [], []]
    # The first is two blocks ahead.
    for each, board in [(0, boards[0])] * 2 + [(i, board) for i, board in enumerate(boards)] * 50:
        pieces[each] += [block for block, _ in islice(board, 1)]
    assert [b"".join(got) for got in pieces] == [alone] * 3
    assert read.count(what[0].path) == 1


@settings(max_examples=20, deadline=None)
@given(turns=st.lists(st.integers(0, 2), max_size=40))
def test_whoever_is_first_makes_the_next_block(turns: list[int]) -> None:
    frame = SharedFrame(iter([(bytes([n]), n) for n in range(9)]))
    readers = [iter(frame) for _ in range(3)]
    got: list[list[int]] = [[], [], []]
    for turn in turns:
        got[turn] += [done for _, done in islice(readers[turn], 1)]
    for each, reader in zip(got, readers, strict=True):
        assert each + [done for _, done in reader] == list(range(9))


def test_frames_of_threads_at_once_are_whole() -> None:
    frame = SharedFrame(iter([(bytes([n % 256]), n) for n in range(5000)]))
    with ThreadPoolExecutor(8) as pool:
        result = list(pool.map(lambda _: [done for _, done in frame], range(8)))
    assert result == [list(range(5000))] * 8


def test_a_file_that_cannot_be_read_fails_every_board() -> None:
    def broken() -> Iterator[tuple[bytes, int]]:
        yield b"a", 1
        raise OSError("gone")

    frame = SharedFrame(broken())
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            list(frame)


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "gzip"])
def test_what_hardly_packs_goes_as_it_is_unless_the_link_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zstd: bool
) -> None:
    monkeypatch.setattr(release, "LARGE_BYTES", 1_000_000)
    chance = random.Random(1)
    weights = array("f", (chance.gauss(0, 0.05) for _ in range(300_000))).tobytes()
    (what,) = files(tmp_path, [weights])
    assert len(weights) <= len(sent([what], zstd=zstd)) < 1.001 * len(weights)
    assert len(sent([what], zstd=zstd, link_limit=10**9)) < 0.95 * len(weights)
    assert unpack(sent([what], zstd=zstd), zstd=zstd) == framed([weights])


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "gzip"])
def test_a_large_file_that_packs_well_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zstd: bool
) -> None:
    monkeypatch.setattr(release, "LARGE_BYTES", 1_000_000)
    (what,) = files(tmp_path, [b"0=64 1=3 4=1 5=1 6=36864\n" * 50_000])
    assert len(sent([what], zstd=zstd)) < 0.1 * what.size


def test_a_huge_file_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "SHARED_BYTES", 3)
    small, large = files(tmp_path, [b"abc", b"abcd"])
    assert isinstance(_shared_frame(small, zstd=True, small=False), SharedFrame)
    assert not isinstance(_shared_frame(large, zstd=True, small=False), SharedFrame)


def timed(blocks: Sequence[bytes], limit: int) -> Iterator[tuple[float, bytes]]:
    """When each piece of a paced stream was sent."""
    clock = Clock()
    pairs = [(block, 0) for block in blocks]
    for piece, _ in _limit_rate(pairs, limit, clock.now, clock.sleep):
        yield clock.time, piece


def busiest(pieces: Sequence[tuple[float, bytes]], window_s: float) -> int:
    """The most bytes sent within any window of that length."""
    return max(
        sum(len(piece) for at, piece in pieces if start <= at < start + window_s)
        for start, _ in pieces
    )


@settings(deadline=None)
@given(
    blocks=st.lists(st.binary(max_size=700), min_size=1, max_size=12).filter(any),
    limit=st.integers(min_value=1, max_value=500),
)
def test_all_bytes_of_a_paced_stream_arrive_in_order(blocks: list[bytes], limit: int) -> None:
    assert b"".join(piece for _, piece in timed(blocks, limit)) == b"".join(blocks)


@settings(deadline=None)
@given(
    blocks=st.lists(st.integers(0, 2000).map(bytes), min_size=1, max_size=8).filter(any),
    limit=st.integers(min_value=100, max_value=1000),
    window_s=st.integers(10, 50).map(lambda tenths: tenths / 10 - 0.05),
)
def test_pacing_keeps_to_the_limit_in_every_window(
    blocks: list[bytes], limit: int, window_s: float
) -> None:
    pieces = list(timed(blocks, limit))
    a_piece = max(1, limit // 10)
    assert busiest(pieces, window_s) <= limit * window_s + a_piece


def test_pacing_does_not_wait_when_the_link_is_slower_anyway() -> None:
    clock = Clock()
    for _ in _limit_rate([(bytes(1000), 0)], 1000, clock.now, clock.sleep):
        clock.time += 0.5
    assert clock.slept == 0.0


def test_a_piece_is_a_tenth_of_a_second_and_never_empty() -> None:
    assert {len(piece) for _, piece in timed([bytes(1000)], limit=1000)} == {100}
    assert {len(piece) for _, piece in timed([b"abc"], limit=3)} == {1}


def test_a_link_that_stood_still_is_not_flooded_afterwards() -> None:
    clock, sent = Clock(), list[tuple[float, bytes]]()
    for piece, _ in _limit_rate([(bytes(5000), 0)], 100, clock.now, clock.sleep):
        sent.append((clock.time, piece))
        clock.time += 20 if len(sent) == 1 else 0
    assert busiest(sent, 1.0) <= 110
