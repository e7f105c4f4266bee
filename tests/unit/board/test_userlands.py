"""Boards with less than a Pi OS has: BusyBox, tools that are missing, a home without programs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.facts import Facts, parse_facts, read_facts
from piyard.board.fleet.selection import select_board
from piyard.board.inspection import Finding, _check_programs
from piyard.board.ssh.commands import CommandOutcome, script_argv, script_text
from piyard.core.errors import BoardCommandFailed, WrongBoard
from piyard.predict.ending import read_decoder_report
from piyard.run.deploy import BoardNeeds, deploy_releases, require_needs
from piyard.run.remote import DamagedFile, cancel_process, fetch_files, start_process
from tests.support.local_board import LocalBoard, content, current, lease, new_board, release
from tests.support.local_runs import (
    RUN,
    end_of,
    processes,
    start,
    until_gone,
    until_running,
    written,
)

ITS_OWN = ("flock",)
"""Of util-linux: Debian's BusyBox is built without it, Alpine's has it."""


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


@pytest.fixture
def busybox(board: LocalBoard, tmp_path: Path) -> LocalBoard:
    """A board whose every program is BusyBox's, as on Alpine."""
    program = shutil.which("busybox")
    if not program:
        pytest.skip("this machine has no busybox: apt-get install busybox-static")
    folder = tmp_path / "applets"
    folder.mkdir()
    for applet in board.run([program, "--list"]).out.split():
        (folder / applet).symlink_to(program)
    for tool in ITS_OWN:
        (folder / tool).unlink(missing_ok=True)
        (folder / tool).symlink_to(shutil.which(tool) or "/nowhere")
    board.path = str(folder)
    return board


def without(board: LocalBoard, *tools: str) -> LocalBoard:
    """The board without these programs."""
    board.lacks_tool(tools[0])
    for tool in tools[1:]:
        Path(board.path, tool).unlink()
    return board


def test_busybox_tells_its_facts(busybox: LocalBoard) -> None:
    facts = read_facts(busybox)
    assert facts.free_disk_kb
    assert facts.page_size in {4096, 16384, 65536}
    assert facts.cores
    assert facts.libc is None


@pytest.mark.parametrize("size", [100, 5_000_000])
def test_a_release_is_deployed_to_busybox_and_again_for_nothing(
    busybox: LocalBoard, size: int
) -> None:
    what = release(nnrun="#!/bin/sh\necho runs", model=b"w" * size)
    deploy_releases(busybox, [what], lease())
    assert content(busybox.home / what.folder)["model"] == b"w" * size
    assert current(busybox) == what.id
    assert deploy_releases(busybox, [what], lease()).content == 0
    assert busybox.run([f"{what.folder}/nnrun"]).out == "runs\n"


def test_a_damaged_blob_is_found_by_busybox_too(busybox: LocalBoard) -> None:
    what = release(nnrun="program", model="weights")
    deploy_releases(busybox, [what], lease())
    blob = busybox.yard / "blobs" / what.files[0].sha256
    blob.chmod(0o700)
    blob.write_text("rotten")
    assert deploy_releases(busybox, [what], lease(), rehash=True).content == what.files[0].size


def test_a_run_on_busybox_ends_and_comes_home(busybox: LocalBoard, tmp_path: Path) -> None:
    start(busybox, "sh", "-c", "echo line; exit 3")
    assert end_of(busybox).code == 3
    fetch_files(busybox, RUN, tmp_path / "fetched", keep=())
    assert (tmp_path / "fetched" / "log.jsonl").read_text() == "line\n"
    assert not (tmp_path / "fetched" / "supervise.sh").exists()


def test_a_run_on_busybox_is_cancelled_with_all_its_processes(busybox: LocalBoard) -> None:
    start(busybox, "sh", "-c", "sleep 100 & echo $!; sleep 100")
    folder = until_running(busybox)
    child = int(written(folder / "log.jsonl"))
    _, leader = processes(folder)
    assert cancel_process(busybox, RUN).why == "cancelled"
    until_gone(child, leader)


def test_a_run_on_busybox_ends_at_its_limit(busybox: LocalBoard) -> None:
    start(busybox, "sleep", "100", limit_s=1)
    assert end_of(busybox).why == "limit"


def test_what_a_decoder_writes_reaches_a_run_on_busybox(busybox: LocalBoard) -> None:
    decoder = ["sh", "-c", "printf JPEGJPEG; seq 30 >&2; echo rtsp://me:pw@cam/ failed >&2; exit 7"]
    feed = ["sh", "-c", script_text("feed"), "feed", str(len(decoder)), *decoder]
    start(busybox, *feed, "wc", "-c")
    assert end_of(busybox).code == 0
    folder = busybox.yard / "runs" / RUN
    assert (folder / "log.jsonl").read_text().strip() == "8"
    report = read_decoder_report(folder)
    assert report.code == 7
    assert report.said.splitlines() == [*map(str, range(12, 31)), "rtsp://***@cam/ failed"]


def test_a_decoder_on_busybox_ends_with_its_run(busybox: LocalBoard) -> None:
    decoder = ["sh", "-c", "trap '' PIPE; echo $$ > pid; exec sleep 987"]
    feed = ["sh", "-c", script_text("feed"), "feed", str(len(decoder)), *decoder]
    start(busybox, *feed, "sh", "-c", "until [ -s pid ]; do sleep 0.1; done; exit 3")
    decoder_id = int(written(busybox.yard / "runs" / RUN / "pid"))
    assert end_of(busybox).code == 3
    until_gone(decoder_id)


def test_frames_from_here_reach_a_run_on_busybox(busybox: LocalBoard) -> None:
    start(busybox, "sh", "-c", script_text("receive"), "receive", "60", "wc", "-c")
    with busybox.start(script_argv("send", ".piyard", RUN, "30"), limit_s=60) as talk:
        talk.send(b"JPEG" * 1000)
        talk.end_input()
        assert talk.end().code == 0
    assert end_of(busybox).code == 0
    assert (busybox.yard / "runs" / RUN / "log.jsonl").read_text().strip() == "4000"


def test_frames_that_never_come_end_a_run_on_busybox(busybox: LocalBoard) -> None:
    start(busybox, "sh", "-c", script_text("receive"), "receive", "1", "wc", "-c")
    assert end_of(busybox).code == 0
    assert (busybox.yard / "runs" / RUN / "log.jsonl").read_text().strip() == "0"


def test_a_command_on_busybox_ends_at_its_limit(busybox: LocalBoard) -> None:
    with pytest.raises(BoardCommandFailed, match="'sleep' was ended after 1 s"):
        busybox.run(["sleep", "20"], limit_s=1)


def test_a_release_goes_back_on_busybox(busybox: LocalBoard) -> None:
    first, second = release("a", nnrun="a"), release("b", nnrun="b")
    deploy_releases(busybox, [first], lease())
    deploy_releases(busybox, [second], lease())
    busybox.script("rollback", ".piyard", "token", "me")
    assert current(busybox) == first.id
    gone = busybox.script("gc", ".piyard", "gc", "me", "1", "no").out
    assert f"releases/{second.id}" in gone


def test_a_board_that_can_unpack_nothing_gets_it_plain(board: LocalBoard, tmp_path: Path) -> None:
    without(board, "zstd", "gzip")
    what = release(nnrun="program", model=b"w" * 100_000)
    done = deploy_releases(board, [what], lease(), keep=True)
    assert content(board.home / what.folder)["model"] == b"w" * 100_000
    assert done.sent > 100_000
    start_process(board, RUN, what, ["echo", "line"], lease(), limit_s=30)
    assert end_of(board).code == 0
    fetch_files(board, RUN, tmp_path / "fetched", keep=())
    assert (tmp_path / "fetched" / "log.jsonl").read_text() == "line\n"


def test_a_board_without_sha256sum_hashes_with_openssl(board: LocalBoard) -> None:
    if not shutil.which("openssl"):
        pytest.skip("this machine has no openssl: apt-get install openssl")
    without(board, "sha256sum")
    what = release(nnrun="program", model="weights")
    deploy_releases(board, [what], lease(), keep=True)
    file = board.home / what.folder / "nnrun"
    file.chmod(0o700)
    file.write_text("rotten")
    with pytest.raises(DamagedFile):
        start_process(board, RUN, what, ["true"], lease(), limit_s=10)


@pytest.mark.parametrize(
    ("tools", "packages"),
    [
        (["setsid"], "util-linux"),
        (["sha256sum", "openssl", "shasum"], "coreutils"),
        (["stat", "tar"], "coreutils tar"),
    ],
)
def test_what_is_missing_is_named_before_a_byte_travels(
    board: LocalBoard, tools: list[str], packages: str
) -> None:
    without(board, *[tool for tool in tools if shutil.which(tool)])
    board.has_tool("apt-get", "exit 1")
    with pytest.raises(WrongBoard, match=f"has no {tools[0]}") as caught:
        deploy_releases(board, [release(nnrun="program")], lease())
    assert caught.value.remedy == f"install there: sudo apt-get install {packages}"
    assert caught.value.code == 11
    assert board.sent == 0


def test_a_home_that_starts_no_program_is_refused_with_its_mount() -> None:
    facts = parse_facts("machine=aarch64\nmounted_noexec=/home\n")
    with pytest.raises(WrongBoard, match="/home is mounted noexec") as caught:
        require_needs("pi5", facts, BoardNeeds(machine="aarch64"))
    assert "remount,exec /home" in caught.value.remedy
    require_needs("pi5", Facts(machine="aarch64"), BoardNeeds(machine="aarch64"))


def examined(board: LocalBoard) -> dict[str, Finding]:
    """What doctor says of whether a board can run anything."""
    line = BoardConnection(select_board("pi5"))
    line._session = board
    return {result.what: result for result in _check_programs(line, read_facts(board))}


def test_doctor_finds_nothing_wrong_with_busybox(busybox: LocalBoard) -> None:
    result = examined(busybox)
    assert result["tools"].detail == "all there"
    assert result["programs"].ok
    assert not list(busybox.yard.glob(".probe*"))


def test_doctor_names_what_is_missing_and_how_to_get_it(busybox: LocalBoard) -> None:
    Path(busybox.path, "flock").unlink()
    busybox.has_tool("apk", "exit 1")
    result = examined(busybox)["tools"]
    assert not result.ok
    assert result.detail == "no flock, or not as needed"
    assert result.remedy == "sudo apk add util-linux"


@pytest.mark.parametrize("tool", ["timeout", "flock", "setsid", "dd", "stat", "tar", "sha256sum"])
def test_doctor_tries_each_tool(board: LocalBoard, tool: str) -> None:
    board.has_tool(tool, f'[ "$3" != 60 ] || exec {shutil.which(tool)} "$@"\nexit 1')
    result = examined(board)["tools"]
    assert (result.ok, result.detail) == (False, f"no {tool}, or not as needed")


def test_doctor_says_that_a_home_starts_no_program(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "script", lambda *_: CommandOutcome(code=0, out="noexec\n", err=""))
    line = BoardConnection(select_board("pi5"))
    line._session = board
    facts = Facts(machine="aarch64", mounted_noexec="/home")
    (_, programs) = _check_programs(line, facts)
    assert not programs.ok
    assert "remount,exec /home" in programs.remedy


def test_doctor_says_that_a_home_cannot_be_written(board: LocalBoard) -> None:
    (board.home / ".piyard").write_text("in the way")
    result = examined(board)["programs"]
    assert (result.ok, result.detail) == (False, "~/.piyard cannot be written")


def test_doctor_names_what_start_up_files_print(board: LocalBoard) -> None:
    board.has_tool("login-shell", 'echo "3 updates \033[1m"; exec sh -c "$2"')
    board.shell = [f"{board.tools}/login-shell"]
    result = examined(board)["login shell"]
    assert result.ok
    assert "'3 updates \\x1b[1m'" in result.detail
