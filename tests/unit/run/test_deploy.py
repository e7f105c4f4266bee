"""A deploy end to end, against the board's real scripts: all whole, or nothing happened."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.board.facts import Facts
from piyard.board.lease import lease_holder, run_leased_script
from piyard.board.release import HOME, Release, ReleaseFile, compressed_stream
from piyard.board.ssh.commands import CommandOutcome
from piyard.board.ssh.errors import disk_full
from piyard.board.ssh.session import NO_EXIT_CODE
from piyard.core import console
from piyard.core.errors import (
    BoardBusy,
    BoardCommandFailed,
    BoardDiskFull,
    HostUnreachable,
    PiyardError,
    WrongBoard,
)
from piyard.run.deploy import Deployed, _deploy_argv, _not_released, deploy_releases
from tests.support.local_board import (
    LocalBoard,
    blobs,
    content,
    current,
    lease,
    new_board,
    release,
    releases,
    temporary_board,
)

SEND = len(b"send zstd\n")


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "info", lambda _text: None)


def put(board: LocalBoard, *what: Release, rehash: bool = False) -> Deployed:
    return deploy_releases(board, what, lease(), rehash=rehash)


def gc(board: LocalBoard, keep: int, *, only_say: bool = False) -> list[str]:
    argv = (HOME, "gc", "me", str(keep), "yes" if only_say else "no")
    return run_leased_script(board, lease("gc"), "gc", *argv).splitlines()


def back(board: LocalBoard) -> list[str]:
    return board.script("rollback", HOME, "token", "me").out.splitlines()


def shas(*what: Release) -> set[str]:
    return {file.sha256 for each in what for file in each.files}


def three() -> list[Release]:
    """Three releases that share a file."""
    return [release(n, label=n.upper(), nnrun="program", model=f"weights {n}") for n in "abc"]


def noise(seed: int, size: int) -> bytes:
    """Half as random as bytes can be, as weights are."""
    return bytes(random.Random(seed).choices(range(16), k=size))


def test_a_release_holds_its_files_and_is_current(board: LocalBoard) -> None:
    what = release(nnrun="program", model="weights")
    done = put(board, what)
    assert content(board.home / what.folder) == {"nnrun": b"program", "model": b"weights"}
    assert (board.yard / "current" / "model").read_text() == "weights"
    assert (done.content, done.saved) == (14, 0)
    assert done.facts.machine == os.uname().machine


def test_its_program_can_be_executed_and_nobody_else_can_read_it(board: LocalBoard) -> None:
    what = release(nnrun="#!/bin/sh\necho runs")
    put(board, what)
    assert board.run([f"{what.folder}/nnrun"]).out == "runs\n"
    assert (board.home / what.folder / "nnrun").stat().st_mode & 0o777 == 0o500
    assert board.yard.stat().st_mode & 0o077 == 0


def test_an_unchanged_release_sends_nothing_and_takes_one_command(board: LocalBoard) -> None:
    put(board, release(nnrun="program", model="weights"))
    board.commands = board.sent = 0
    done = put(board, release(nnrun="program", model="weights"))
    assert board.commands == 1
    assert board.sent == len(b"keep\n")
    assert (done.sent, done.content, done.saved) == (0, 0, 14)


def test_a_first_deploy_takes_one_command_too(board: LocalBoard) -> None:
    put(board, release(nnrun="program"))
    assert board.commands == 1


def test_two_releases_go_in_one_conversation_and_the_last_is_current(board: LocalBoard) -> None:
    pictures, program = release("p", dog="picture"), release("r", nnrun="program")
    put(board, pictures, program)
    assert board.commands == 1
    assert content(board.home / pictures.folder) == {"dog": b"picture"}
    assert current(board) == program.id


def test_a_file_of_two_releases_travels_once_and_lies_there_once(board: LocalBoard) -> None:
    shared = noise(1, 10_000).hex()
    single = release("one", shared=shared, own="a")
    two = release("two", renamed=shared, own="b")
    done = put(board, single, two)
    assert done.content == len(shared) + 2
    places = [single.folder + "/shared", two.folder + "/renamed"]
    assert len({(board.home / place).stat().st_ino for place in places}) == 1


def test_the_same_bytes_under_two_names_are_one_blob(board: LocalBoard) -> None:
    what = release(one="same", other="same")
    assert put(board, what).content == 4
    assert content(board.home / what.folder) == {"one": b"same", "other": b"same"}
    assert len(blobs(board)) == 1


def test_only_the_changed_file_travels(board: LocalBoard) -> None:
    put(board, release("one", nnrun="program", model="weights"))
    done = put(board, release("two", nnrun="program", model="other weights"))
    assert (done.content, done.saved) == (len("other weights"), len("program"))


def test_one_changed_file_of_ten_costs_what_it_costs_alone(board: LocalBoard) -> None:
    files: dict[str, Any] = {f"f{n}": noise(n, 100_000) for n in range(10)}
    put(board, release("one", **files))
    board.sent = 0
    changed = noise(99, 100_000)
    put(board, release("two", **{**files, "f3": changed}))
    alone = zstandard.ZstdCompressor(level=3).compress(changed)
    assert board.sent <= 1.05 * len(alone)


def test_a_board_without_zstd_gets_gzip(board: LocalBoard) -> None:
    board.lacks_tool("zstd")
    what = release(nnrun=noise(1, 100_000))
    done = put(board, what)
    assert (board.home / what.folder / "nnrun").read_bytes() == noise(1, 100_000)
    assert done.sent < done.content


def test_an_empty_file_is_a_file(board: LocalBoard) -> None:
    what = release(empty="", other="x")
    put(board, what)
    assert content(board.home / what.folder) == {"empty": b"", "other": b"x"}


def test_files_larger_than_any_buffer_arrive_byte_for_byte(board: LocalBoard) -> None:
    data = random.Random(5).randbytes(3_000_001)
    what = release(a=data, b=data[:-1], c=b"end 0\n" * 1000)
    put(board, what)
    assert content(board.home / what.folder) == {
        "a": data,
        "b": data[:-1],
        "c": b"end 0\n" * 1000,
    }


def test_a_damaged_blob_is_sent_again_and_its_release_mended(board: LocalBoard) -> None:
    what = release(nnrun="program", model="weights")
    put(board, what)
    blob = board.yard / "blobs" / what.files[0].sha256
    blob.chmod(0o700)
    blob.write_text("rotten")
    done = put(board, what)
    assert done.content == what.files[0].size
    assert content(board.home / what.folder) == {"nnrun": b"program", "model": b"weights"}
    assert board.commands == 2


def test_a_blob_that_went_away_is_sent_again(board: LocalBoard) -> None:
    what = release(nnrun="program")
    put(board, what)
    (board.yard / "blobs" / what.files[0].sha256).unlink()
    assert put(board, what).content == len("program")
    assert blobs(board) == shas(what)


def test_damage_that_leaves_size_and_time_is_found_by_hashing_again(board: LocalBoard) -> None:
    what = release(nnrun="program")
    put(board, what)
    blob = board.yard / "blobs" / what.files[0].sha256
    seen = blob.stat()
    blob.chmod(0o700)
    blob.write_text("progrAm")
    os.utime(blob, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert put(board, what).content == 0
    assert put(board, what, rehash=True).content == len("program")
    assert (board.home / what.folder / "nnrun").read_text() == "program"


def test_a_file_missing_from_a_release_is_put_back(board: LocalBoard) -> None:
    what = release(nnrun="program", model="weights")
    put(board, what)
    (board.home / what.folder / "model").unlink()
    assert put(board, what).content == 0
    assert (board.home / what.folder / "model").read_text() == "weights"


def test_bytes_that_are_not_what_was_announced_never_become_a_blob(
    board: LocalBoard, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("garbled")
    file = ReleaseFile(name="nnrun", path=tmp_path / "file", sha256="0" * 64, size=7)
    with pytest.raises(BoardCommandFailed, match="arrived damaged") as caught:
        put(board, Release(files=[file]))
    assert caught.value.code == 13
    assert "try again" in caught.value.remedy
    assert (blobs(board), releases(board), current(board)) == (set(), set(), None)


def test_a_file_that_shrank_meanwhile_never_becomes_a_blob(board: LocalBoard) -> None:
    what = release(nnrun="program")
    what.files[0].path.write_text("pro")
    with pytest.raises(BoardCommandFailed):
        put(board, what)
    assert (blobs(board), releases(board)) == (set(), set())


@settings(max_examples=40, deadline=None)
@given(at=st.integers(min_value=SEND, max_value=400), bit=st.integers(0, 7))
def test_a_bit_that_flips_on_the_way_never_becomes_a_blob(at: int, bit: int) -> None:
    what = release("flip", a=noise(1, 200), b=noise(2, 200))

    def flip(board: LocalBoard, block: bytes) -> bytes:
        here = at - board.sent
        if not 0 <= here < len(block):
            return block
        return block[:here] + bytes([block[here] ^ (1 << bit)]) + block[here + 1 :]

    with temporary_board() as board:
        board.on_send = partial(flip, board)
        try:
            put(board, what)
        except PiyardError:
            assert (releases(board), current(board)) == (set(), None)
        for name in blobs(board):
            assert name in shas(what)
            assert Path(board.yard, "blobs", name).read_bytes() in {noise(1, 200), noise(2, 200)}


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "gzip"])
def test_a_link_cut_at_any_byte_leaves_the_board_as_it_was(board: LocalBoard, zstd: bool) -> None:
    old, new = release("old", nnrun="old"), release("new", nnrun="new", model="weights" * 9)
    if not zstd:
        board.lacks_tool("zstd")
    put(board, old)
    for cut in range(SEND + _needed(new, zstd=zstd)):
        board.sent, board.cut_after = 0, cut
        with pytest.raises(PiyardError):
            put(board, new)
        assert (current(board), releases(board)) == (old.id, {old.id}), f"cut after {cut} bytes"
        assert blobs(board) <= shas(old, new)
        _forget(board, new)
    board.cut_after = -1
    put(board, new)
    assert current(board) == new.id


def _needed(what: Release, *, zstd: bool) -> int:
    """How much of the stream it takes to unpack all of it: a check sum may follow."""
    packed = b"".join(block for block, _ in compressed_stream(what.files, zstd=zstd, link_limit=0))

    def ends(size: int) -> bool:
        return (_zstd if zstd else _gzip)(packed[:size]).endswith(b"end 0\n")

    return next(size for size in range(len(packed) + 1) if ends(size))


def _zstd(packed: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(packed)


def _gzip(packed: bytes) -> bytes:
    """As far as it goes: members follow each other, the last one may be cut."""
    result = b""
    while packed:
        member = zlib.decompressobj(31)
        result += member.decompress(packed)
        packed = member.unused_data
    return result


def _forget(board: LocalBoard, what: Release) -> None:
    for sha in shas(what):
        (board.yard / "blobs" / sha).unlink(missing_ok=True)


def test_what_arrived_whole_before_a_cut_does_not_travel_again(board: LocalBoard) -> None:
    files: dict[str, Any] = {f"f{n}": random.Random(n).randbytes(200_000) for n in range(4)}
    what = release(**files)
    board.cut_after = 500_000
    with pytest.raises(PiyardError):
        put(board, what)
    whole = len(blobs(board))
    assert whole >= 1
    board.cut_after = -1
    assert put(board, what).content == (4 - whole) * 200_000


def test_a_link_that_breaks_says_to_try_again(board: LocalBoard) -> None:
    outcome = CommandOutcome(code=NO_EXIT_CODE, out="", err="")
    error = _not_released(board, "", outcome)
    assert isinstance(error, HostUnreachable)
    assert error.code == 8
    assert "are not sent again" in error.remedy


def test_whoever_reads_meanwhile_never_sees_half_a_release(board: LocalBoard) -> None:
    wholes = {
        each.id: content(each.files[0].path.parent)
        for each in (release(f"r{n}", a=f"a{n}", b=f"b{n}", c=f"c{n}") for n in range(4))
    }
    seen: list[bool] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            for name in releases(board):
                if not name.startswith("."):
                    there = content(board.yard / "releases" / name)
                    seen.append(all(wholes[name].get(n) == b for n, b in there.items()))
                    seen.append(len(there) == 3)
            if now := current(board):
                seen.append((board.yard / "releases" / now).is_dir())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(4):
            put(board, release(f"r{number}", a=f"a{number}", b=f"b{number}", c=f"c{number}"))
    finally:
        over.set()
        reader.join()
    assert seen
    assert all(seen)


def test_what_cannot_fit_is_not_sent(board: LocalBoard) -> None:
    board.has_tool(
        "df",
        "echo Filesystem 1024-blocks Used Available Capacity Mounted on;"
        " echo /dev/root 100 100 0 100% /",
    )
    with pytest.raises(BoardDiskFull, match="local: the board's disk is full") as caught:
        put(board, release(nnrun="program"))
    assert caught.value.evidence == "7 bytes are needed, 0 are free"
    assert caught.value.code == 12
    assert (board.sent, current(board)) == (0, None)


def test_a_disk_that_fills_up_on_the_way_says_so(board: LocalBoard) -> None:
    board.has_tool("ln", "echo 'ln: cannot create: No space left on device' >&2; exit 1")
    with pytest.raises(BoardDiskFull):
        put(board, release(nnrun="program"))
    assert current(board) is None


def test_what_a_board_cannot_run_is_not_sent_and_the_board_is_let_go(board: LocalBoard) -> None:
    request: list[int] = []

    def refuse(facts: Facts, size: int) -> None:
        request.append(size)
        raise WrongBoard(f"no, {facts.machine}")

    with pytest.raises(WrongBoard):
        deploy_releases(board, [release(nnrun="program")], lease(), check=refuse)
    assert request == [7]
    assert (board.sent, blobs(board), current(board)) == (0, set(), None)
    assert lease_holder(board) == ""


def test_a_deploy_lets_go_of_the_board_unless_it_is_to_keep_it(board: LocalBoard) -> None:
    what = [release(nnrun="program")]
    deploy_releases(board, what, lease())
    assert lease_holder(board) == ""
    deploy_releases(board, what, lease(owner="me, for a while"), keep=True)
    assert lease_holder(board).endswith(" me, for a while")
    with pytest.raises(BoardBusy, match="held by me, for a while"):
        deploy_releases(board, what, lease("another"))


def test_a_failed_deploy_lets_go_of_the_board(board: LocalBoard) -> None:
    what = release(nnrun="program")
    what.files[0].path.write_text("garbled")
    with pytest.raises(BoardCommandFailed):
        put(board, what)
    assert lease_holder(board) == ""


def test_the_history_names_each_release_once_in_a_row(board: LocalBoard) -> None:
    a, b, _ = three()
    for what in (a, a, b, b, a):
        put(board, what)
    lines = (board.yard / "history").read_text().splitlines()
    assert lines == [f"{a.id} A", f"{b.id} B", f"{a.id} A"]


def test_rollback_goes_back_one_release_each_time(board: LocalBoard) -> None:
    a, b, c = three()
    for what in (a, b, c):
        put(board, what)
    assert back(board) == [f"from {c.id} C", f"to {b.id} B"]
    assert current(board) == b.id
    assert back(board) == [f"from {b.id} B", f"to {a.id} A"]
    assert current(board) == a.id
    assert back(board) == ["nothing"]
    assert current(board) == a.id


def test_a_deploy_after_a_rollback_goes_on_from_there(board: LocalBoard) -> None:
    a, b, c = three()
    for what in (a, b):
        put(board, what)
    back(board)
    put(board, c)
    assert back(board) == [f"from {c.id} C", f"to {a.id} A"]


def test_a_board_that_never_had_a_release_has_nothing_to_go_back_to(board: LocalBoard) -> None:
    assert back(board) == ["nothing"]
    put(board, release(nnrun="program"))
    assert back(board) == ["nothing"]


def test_rollback_steps_over_what_gc_removed(board: LocalBoard) -> None:
    a, b, c = three()
    for what in (a, b, c):
        put(board, what)
    gc(board, 2)
    assert back(board) == [f"from {c.id} C", f"to {b.id} B"]
    assert back(board) == ["nothing"]
    assert content(board.home / b.folder) == {"nnrun": b"program", "model": b"weights b"}


def test_a_line_cut_while_files_are_hashed_leaves_nothing_beside_the_blobs(
    board: LocalBoard,
) -> None:
    what = release(nnrun="program")
    argv = _deploy_argv([what], lease(), keep=False, rehash=False)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        argv, cwd=board.home, env=board.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as running:
        assert running.stdin
        assert running.stdout
        while running.stdout.readline() != "ready\n":
            pass
        running.stdout.close()
        (sha,) = shas(what)
        running.stdin.write(f"send plain\n{sha} 7\nprogramend 0\n")
        running.stdin.close()
        running.wait()
    assert blobs(board) == {sha}


def test_gc_keeps_the_newest_and_their_blobs(board: LocalBoard) -> None:
    a, b, c = three()
    for what in (a, b, c):
        put(board, what)
    assert gc(board, 2) == [f"releases/{a.id}", f"freed {len('weights a')}"]
    assert releases(board) == {b.id, c.id}
    assert blobs(board) == shas(b, c)
    assert put(board, c).content == 0


def test_gc_keeps_the_current_release_however_old(board: LocalBoard) -> None:
    a, b, c = three()
    for what in (a, b, c):
        put(board, what)
    (board.yard / "current").unlink()
    (board.yard / "current").symlink_to(f"releases/{a.id}")
    gc(board, 1)
    assert releases(board) == {a.id, c.id}
    assert blobs(board) == shas(a, c)


def test_gc_removes_what_a_cut_left(board: LocalBoard) -> None:
    what = release(nnrun="program")
    put(board, what)
    (board.yard / "releases" / ".draft.123").mkdir()
    (board.yard / "blobs" / ".parts.9").mkdir()
    (board.yard / "blobs" / ".parts.9" / "abc").write_text("half")
    assert gc(board, 3) == ["releases/.draft.123", "freed 4"]
    assert (releases(board), blobs(board)) == ({what.id}, shas(what))


def test_gc_removes_runs_that_were_fetched_only(board: LocalBoard) -> None:
    put(board, release(nnrun="program"))
    for name in ("done", "open"):
        (board.yard / "runs" / name).mkdir()
    (board.yard / "runs" / "done" / "fetched").touch()
    assert gc(board, 3) == ["runs/done", "freed 0"]
    assert [path.name for path in (board.yard / "runs").iterdir()] == ["open"]


def test_gc_empties_the_cache_of_prompts(board: LocalBoard) -> None:
    put(board, release(nnrun="program"))
    prefixes = board.yard / "prefixes"
    prefixes.mkdir()
    (prefixes / "ab.kv").write_bytes(b"12345")
    assert gc(board, 1, only_say=True) == ["prefixes/ab.kv", "freed 5"]
    assert (prefixes / "ab.kv").exists()
    assert gc(board, 1) == ["prefixes/ab.kv", "freed 5"]
    assert not list(prefixes.iterdir())


def test_gc_can_only_say_what_it_would_do(board: LocalBoard) -> None:
    a, b, _ = three()
    put(board, a)
    put(board, b)
    assert gc(board, 1, only_say=True)[0] == f"releases/{a.id}"
    assert releases(board) == {a.id, b.id}
    assert blobs(board) == shas(a, b)


def test_gc_of_a_board_without_anything_does_nothing(board: LocalBoard) -> None:
    assert gc(board, 1) == []
    assert not board.yard.exists()


def test_gc_waits_for_whoever_holds_the_board(board: LocalBoard) -> None:
    put(board, release(nnrun="program"))
    board.script("lease_take", HOME, "other", "60", "somebody")
    with pytest.raises(BoardBusy, match="held by somebody"):
        gc(board, 1)


@settings(max_examples=15, deadline=None)
@given(
    plan=st.lists(st.sampled_from("abcd<"), min_size=1, max_size=8),
    keep=st.integers(min_value=1, max_value=3),
)
def test_whatever_was_done_gc_never_takes_what_is_in_use(plan: Sequence[str], keep: int) -> None:
    with temporary_board() as board:
        reference: dict[str, Release] = {}
        for step in plan:
            if step == "<":
                back(board)
                continue
            what = release(f"gc-{step}", shared="shared", own=step)
            reference[what.id] = what
            put(board, what)
        now = current(board)
        gc(board, keep)
        left = releases(board)
        assert current(board) == now
        assert now is None or now in left
        assert len(left) <= keep + 1
        for name in left:
            assert set(content(board.yard / "releases" / name)) == {"shared", "own"}
        assert blobs(board) == shas(*(reference[name] for name in left))


@pytest.mark.parametrize("label", ["", "  two  words ", "a\nb", "\x1b[31mred\x00", "$(x) `y` 'z'"])
def test_a_label_is_one_line_of_plain_text(board: LocalBoard, label: str) -> None:
    what = msgspec.structs.replace(release(nnrun="program"), label=label)
    put(board, what)
    (line,) = (board.yard / "history").read_text().splitlines()
    assert line == f"{what.id} {what.title}"
    assert line.isprintable()


def test_a_full_disk_has_its_own_exit_code() -> None:
    assert disk_full("pi", "no room").code == 12


def test_rollback_leaves_a_board_alone_that_somebody_holds(board: LocalBoard) -> None:
    for text in ("one", "two"):
        put(board, release(text, nnrun=text))
    assert not board.script("lease_take", HOME, "other", "60", "somebody else").out
    assert board.script("rollback", HOME, "token", "me").out.startswith("busy ")
    assert (board.yard / "current" / "nnrun").read_text() == "two"
