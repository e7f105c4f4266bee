"""The governor of a run is put back, whatever happens to the run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board
from piyard.board.inspection import _check_governor
from piyard.board.lease import GOVERNOR_FILE, Governor, read_governor, restore_governor
from piyard.board.release import HOME
from piyard.run.remote import cancel_process
from tests.support.local_board import LocalBoard, new_board
from tests.support.local_runs import (
    RUN,
    end_of,
    guard_of,
    lives,
    processes,
    start,
    until_gone,
    until_running,
    written,
)

SUDO = '[ "$1" = -n ] && shift && exec "$@"'


@pytest.fixture
def board(tmp_path: Path) -> Iterator[LocalBoard]:
    result = new_board(tmp_path / "board")
    yield result
    for folder in (result.yard / "runs").glob("*"):
        cancel_process(result, folder.name)


@pytest.fixture
def cpufreq(tmp_path: Path, board: LocalBoard) -> Path:
    """The kernel's folder with two policies, and a sudo that asks for nothing."""
    board.has_tool("sudo", SUDO)
    for number, name in enumerate(["ondemand", "schedutil"]):
        policy = tmp_path / "cpu freq" / f"policy{number}"
        policy.mkdir(parents=True)
        (policy / "scaling_governor").write_text(f"{name}\n")
    return tmp_path / "cpu freq"


def governors(cpufreq: Path) -> list[str]:
    files = sorted(cpufreq.glob("policy*/scaling_governor"))
    return [file.read_text().strip() for file in files]


SHOW = 'cat "$0"/policy*/scaling_governor'


def test_a_run_has_the_governor_it_asks_for_and_the_board_its_own_again(
    board: LocalBoard, cpufreq: Path
) -> None:
    start(board, "sh", "-c", SHOW, str(cpufreq), governor="performance", cpufreq=cpufreq)
    assert end_of(board).code == 0
    folder = board.yard / "runs" / RUN
    assert (folder / "log.jsonl").read_text().split() == ["performance"] * 2
    assert governors(cpufreq) == ["ondemand", "schedutil"]
    assert read_governor(folder) == Governor(before="ondemand", during="performance")
    assert not (board.yard / "governor").exists()


def test_a_run_that_asks_for_none_leaves_it_alone_and_tells_it(
    board: LocalBoard, cpufreq: Path
) -> None:
    board.has_tool("sudo", "touch sudo-was-asked; exit 1")
    start(board, "sh", "-c", SHOW, str(cpufreq), cpufreq=cpufreq)
    assert end_of(board).code == 0
    folder = board.yard / "runs" / RUN
    assert read_governor(folder) == Governor(before="ondemand", during="ondemand")
    assert not list(board.home.rglob("sudo-was-asked"))


def test_where_sudo_wants_a_password_the_run_goes_on_under_the_old_one(
    board: LocalBoard, cpufreq: Path
) -> None:
    board.has_tool("sudo", "echo 'sudo: a password is required' >&2; exit 1")
    start(board, "true", governor="performance", cpufreq=cpufreq)
    assert end_of(board).code == 0
    folder = board.yard / "runs" / RUN
    assert read_governor(folder) == Governor(before="ondemand", during="ondemand")
    assert governors(cpufreq) == ["ondemand", "schedutil"]
    assert not (board.yard / "governor").exists()


def test_a_governor_that_the_kernel_refuses_for_one_policy_is_set_for_none(
    board: LocalBoard, cpufreq: Path
) -> None:
    board.has_tool("sudo", "case $4 in */policy1/*) exit 1 ;; esac\n" + SUDO)
    start(board, "sh", "-c", SHOW, str(cpufreq), governor="performance", cpufreq=cpufreq)
    assert end_of(board).code == 0
    said = (board.yard / "runs" / RUN / "log.jsonl").read_text()
    assert said.split() == ["ondemand", "schedutil"]


def test_a_board_without_cpufreq_runs_as_it_is(board: LocalBoard, tmp_path: Path) -> None:
    start(board, "true", governor="performance", cpufreq=tmp_path / "no-such-folder")
    assert end_of(board).code == 0
    assert read_governor(board.yard / "runs" / RUN) is None


def long_run(board: LocalBoard, cpufreq: Path) -> Path:
    start(board, "sleep", "100", governor="performance", cpufreq=cpufreq)
    folder = until_running(board)
    assert governors(cpufreq) == ["performance"] * 2
    return folder


def test_a_cancelled_run_puts_it_back(board: LocalBoard, cpufreq: Path) -> None:
    long_run(board, cpufreq)
    assert cancel_process(board, RUN).why == "cancelled"
    assert governors(cpufreq) == ["ondemand", "schedutil"]


def test_a_run_at_its_limit_puts_it_back(board: LocalBoard, cpufreq: Path) -> None:
    start(board, "sleep", "100", limit_s=1, governor="performance", cpufreq=cpufreq)
    assert end_of(board).why == "limit"
    assert governors(cpufreq) == ["ondemand", "schedutil"]


def test_what_a_killed_supervisor_changed_its_guard_puts_back(
    board: LocalBoard, cpufreq: Path
) -> None:
    folder = long_run(board, cpufreq)
    supervisor, leader = processes(folder)
    guard = guard_of(folder, supervisor, leader)
    os.kill(supervisor, signal.SIGKILL)
    until_gone(leader, guard)
    assert governors(cpufreq) == ["ondemand", "schedutil"]
    assert not (board.yard / "governor").exists()


@pytest.fixture
def abandoned(board: LocalBoard, cpufreq: Path) -> Path:
    """A run whose supervisor and guard were both killed."""
    folder = long_run(board, cpufreq)
    supervisor, leader = processes(folder)
    guard = guard_of(folder, supervisor, leader)
    os.kill(guard, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    until_gone(supervisor, guard)
    assert governors(cpufreq) == ["performance"] * 2
    return folder


def test_the_next_one_on_the_board_puts_it_back(
    board: LocalBoard, cpufreq: Path, abandoned: Path
) -> None:
    start(board, "sh", "-c", SHOW, str(cpufreq), run="next", cpufreq=cpufreq)
    assert end_of(board, "next").code == 0
    assert (abandoned.parent / "next" / "log.jsonl").read_text().split() == [
        *("ondemand", "schedutil")
    ]


def test_the_next_run_under_the_same_governor_still_knows_the_old_one(
    board: LocalBoard, cpufreq: Path, abandoned: Path
) -> None:
    start(board, "true", run="next", governor="performance", cpufreq=cpufreq)
    assert end_of(board, "next").code == 0
    assert governors(cpufreq) == ["ondemand", "schedutil"]
    assert read_governor(abandoned.parent / "next") == Governor(
        before="ondemand", during="performance"
    )


def test_looking_after_the_board_puts_it_back(
    board: LocalBoard, cpufreq: Path, abandoned: Path
) -> None:
    assert restore_governor(board) == "restored"
    assert governors(cpufreq) == ["ondemand", "schedutil"]
    assert restore_governor(board) == ""


def test_what_sudo_no_longer_allows_is_said_and_tried_again(
    board: LocalBoard, cpufreq: Path, abandoned: Path
) -> None:
    board.has_tool("sudo", "exit 1")
    assert restore_governor(board) == "kept"
    board.has_tool("sudo", SUDO)
    assert restore_governor(board) == "restored"
    assert governors(cpufreq) == ["ondemand", "schedutil"]


def test_the_doctor_puts_it_back_and_says_so(
    board: LocalBoard, cpufreq: Path, abandoned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = BoardConnection(select_board("shelf"), "rpi5")
    monkeypatch.setattr(BoardConnection, "session", board)
    board.has_tool("sudo", "exit 1")
    (stuck,) = _check_governor(line)
    assert (stuck.ok, "reboot" in stuck.remedy) == (False, True)
    board.has_tool("sudo", SUDO)
    (mended,) = _check_governor(line)
    assert (mended.ok, mended.what) == (True, "governor")
    assert governors(cpufreq) == ["ondemand", "schedutil"]
    assert _check_governor(line) == []


def test_a_run_that_goes_on_keeps_its_governor(board: LocalBoard, cpufreq: Path) -> None:
    folder = long_run(board, cpufreq)
    assert restore_governor(board) == ""
    board.script("lease_take", HOME, "token", "600", "me")
    assert governors(cpufreq) == ["performance"] * 2
    assert lives(processes(folder)[1])


def test_a_restart_of_the_board_puts_it_back_by_itself(board: LocalBoard, cpufreq: Path) -> None:
    board.yard.mkdir()
    file = cpufreq / "policy0" / "scaling_governor"
    (board.yard / "governor").write_text(f"another-boot {os.getpid()} 1\npowersave {file}\n")
    assert restore_governor(board) == "restored"
    assert governors(cpufreq) == ["ondemand", "schedutil"]


@pytest.mark.parametrize("note", ["", "\n", "nonsense\n", "a b c d\ne\n", "\0\0"])
def test_a_note_that_is_damaged_stops_nobody(board: LocalBoard, cpufreq: Path, note: str) -> None:
    board.yard.mkdir()
    (board.yard / "governor").write_text(note)
    restore_governor(board)
    start(board, "true", governor="performance", cpufreq=cpufreq)
    assert end_of(board).code == 0
    assert governors(cpufreq) == ["ondemand", "schedutil"]


@pytest.mark.parametrize("said", ["", "ondemand", "a b c", "on demand performance", "\0 \0"])
def test_what_is_no_governor_is_none(tmp_path: Path, said: str) -> None:
    (tmp_path / GOVERNOR_FILE).write_text(said)
    assert read_governor(tmp_path) is None
    assert read_governor(tmp_path / "nowhere") is None


def test_the_note_of_a_run_is_whole_when_the_governor_changes(
    board: LocalBoard, cpufreq: Path
) -> None:
    board.has_tool("sudo", f"cp ../../governor seen 2> /dev/null || cp governor seen\n{SUDO}")
    folder = long_run(board, cpufreq)
    seen = written(folder.parent.parent / "seen").splitlines()
    assert [line.split(" ", 1) for line in seen[1:]] == [
        ["ondemand", f"{cpufreq}/policy0/scaling_governor"],
        ["schedutil", f"{cpufreq}/policy1/scaling_governor"],
    ]
