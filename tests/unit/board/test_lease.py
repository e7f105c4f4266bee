"""One at a time on a board, decided by its own shell: whoever dies or is late lets go."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from piyard.board import lease as board_lease
from piyard.board.lease import (
    LEASE_PAUSE_S,
    Lease,
    LeaseWait,
    lease_holder,
    new_lease,
    release_lease,
    run_leased_script,
)
from piyard.board.release import HOME
from piyard.board.ssh.commands import SCRIPT_FOLDER, script_text
from piyard.core import console
from piyard.core.errors import BoardBusy, BoardCommandFailed, HostUnreachable
from tests.support.local_board import LocalBoard, lease, new_board

NOBODY = 4_000_000
"""More than any process number."""


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


class Clock(SimpleNamespace):
    """Takes the place of ``time``: it passes while somebody sleeps."""

    def __init__(self) -> None:
        super().__init__(slept=[])

    def monotonic(self) -> float:
        return float(sum(self.slept))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    result = Clock()
    monkeypatch.setattr(board_lease, "time", result)
    return result


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(console, "info", said.append)
    return said


def take(board: LocalBoard, token: str, *, seconds: int = 60, owner: str = "me") -> str:
    """What the board says; nothing when the lease is ours."""
    return board.script("lease_take", HOME, token, str(seconds), owner).out.rstrip("\n")


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def uptime() -> int:
    return int(float(Path("/proc/uptime").read_text().split()[0]))


def started(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]


def held_as(
    board: LocalBoard,
    *,
    token: str = "other",
    boot: str = "",
    left: int = 60,
    process: Sequence[object] = (0, 0),
) -> None:
    """Write a lock as another one has left it."""
    board.yard.mkdir(exist_ok=True)
    pid, start = process
    fields = (token, boot or boot_id(), uptime() + left, pid, start, "-", "somebody else")
    (board.yard / "lock").write_text(" ".join(map(str, fields)) + "\n")


def token_of(board: LocalBoard) -> str:
    return (board.yard / "lock").read_text().split()[0]


def test_a_free_board_can_be_taken(board: LocalBoard) -> None:
    assert lease_holder(board) == ""
    assert take(board, "one", owner="me, on pi5") == ""
    assert lease_holder(board).partition(" ")[2] == "me, on pi5"


def test_a_second_one_hears_who_holds_it_and_for_how_long(board: LocalBoard) -> None:
    take(board, "one", owner="first")
    busy, seconds, owner = take(board, "two", owner="second").split()
    assert (busy, owner) == ("busy", "first")
    assert 0 < int(seconds) <= 60
    assert token_of(board) == "one"


def test_of_twenty_at_once_exactly_one_gets_it(board: LocalBoard) -> None:
    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(lambda n: take(board, f"t{n}", owner=f"o{n}"), range(20)))
    (winner,) = [number for number, text in enumerate(said) if text == ""]
    assert token_of(board) == f"t{winner}"
    assert all(text.startswith("busy ") for text in said if text)
    assert all(text.endswith(f" o{winner}") for text in said if text)


def test_one_gets_it_when_many_find_a_dead_holder(board: LocalBoard) -> None:
    held_as(board, process=(NOBODY, 1))
    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(lambda n: take(board, f"t{n}"), range(10)))
    assert said.count("") == 1


def test_the_same_token_renews(board: LocalBoard) -> None:
    take(board, "one", seconds=10)
    assert take(board, "one", seconds=1000) == ""
    assert int(lease_holder(board).split()[0]) > 900


def test_only_the_holder_lets_go(board: LocalBoard) -> None:
    take(board, "one")
    take(board, "two", seconds=0)
    assert token_of(board) == "one"
    take(board, "one", seconds=0)
    assert lease_holder(board) == ""
    assert take(board, "two") == ""


def test_letting_go_of_what_nobody_holds_is_no_error(board: LocalBoard) -> None:
    assert take(board, "one", seconds=0) == ""


def test_what_is_over_is_taken_over(board: LocalBoard) -> None:
    held_as(board, left=0)
    assert lease_holder(board) == ""
    assert take(board, "one") == ""
    assert token_of(board) == "one"


def test_a_process_that_lives_holds_the_board(board: LocalBoard) -> None:
    with subprocess.Popen(["sleep", "100"]) as running:
        held_as(board, process=(running.pid, started(running.pid)))
        try:
            assert take(board, "one").endswith(" somebody else")
        finally:
            running.kill()


def test_a_dead_process_is_taken_over(board: LocalBoard) -> None:
    held_as(board, process=(NOBODY, 77))
    assert take(board, "one") == ""


def test_one_that_only_waits_to_be_buried_is_taken_over(board: LocalBoard) -> None:
    with subprocess.Popen(["sleep", "100"]) as running:
        held_as(board, process=(running.pid, started(running.pid)))
        running.kill()
        while Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        assert take(board, "one") == ""


def test_a_process_number_used_again_is_taken_over(board: LocalBoard) -> None:
    with subprocess.Popen(["sleep", "100"]) as running:
        held_as(board, process=(running.pid, int(started(running.pid)) - 1))
        try:
            assert take(board, "one") == ""
        finally:
            running.kill()


def test_a_holder_from_before_a_restart_is_taken_over(board: LocalBoard) -> None:
    held_as(board, boot="another-boot", left=10_000)
    assert lease_holder(board) == ""
    assert take(board, "one") == ""


@pytest.mark.parametrize("text", ["", "\n", "one", "one two\n", "a b c d e f g\n", "\0\0\0\0"])
def test_a_lock_that_is_damaged_does_not_close_the_board_for_ever(
    board: LocalBoard, text: str
) -> None:
    board.yard.mkdir()
    (board.yard / "lock").write_text(text)
    assert take(board, "one") == ""
    assert token_of(board) == "one"


@pytest.mark.parametrize("now", ["0", "4102444800", "-1", "nonsense"])
def test_a_clock_that_jumps_changes_nothing(board: LocalBoard, now: str) -> None:
    board.has_tool("date", f"touch {board.home}/asked; echo {now}")
    take(board, "one")
    assert take(board, "two").startswith("busy ")
    assert take(board, "one") == ""
    assert lease_holder(board)
    assert not (board.home / "asked").exists()


@pytest.mark.parametrize("name", ["lease", "process", "lease_take", "locks", "status", "supervise"])
def test_no_script_that_waits_or_locks_looks_at_the_clock(name: str) -> None:
    words = (SCRIPT_FOLDER / f"{name}.sh").read_text().replace("$(", " ").split()
    assert "date" not in words


def test_one_killed_while_it_changes_the_lock_does_not_block_others(board: LocalBoard) -> None:
    board.yard.mkdir()
    forever = 'spin() { printf "in\\n"; while :; do :; done; }; guarded spin'
    text = script_text("locks").rpartition("# $1 folder")[0] + forever
    with subprocess.Popen(["sh", "-c", text], cwd=board.yard, stdout=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stdout.readline() == b"in\n"
        running.kill()
        running.wait()
        assert take(board, "one") == ""


def test_a_half_written_lock_is_never_seen(board: LocalBoard) -> None:
    take(board, "one", owner="o" * 5000)
    for _ in range(5):
        with ThreadPoolExecutor(2) as pool:
            renewed = pool.submit(take, board, "one", owner="o" * 5000)
            seen = pool.submit(lease_holder, board)
        assert renewed.result() == ""
        assert seen.result().partition(" ")[2] == "o" * 5000


@pytest.mark.parametrize(
    "owner",
    [
        *("a 'b' \"c\"", "$(touch pwned)", "`touch pwned`", "-n", "%s %d\\n", "a\\tb\\", "*", "~"),
        *("ü@höst", "; rm -rf /", "busy 1 2 3", "- - -", "#", "!$&|<>"),
    ],
)
def test_an_owner_is_shown_as_is(board: LocalBoard, owner: str) -> None:
    take(board, "one", owner=owner)
    assert lease_holder(board).partition(" ")[2] == owner
    assert take(board, "two").split(" ", 2)[2] == owner
    assert not list(board.home.rglob("pwned"))


def test_an_owner_of_several_lines_cannot_write_a_lock_of_its_own(board: LocalBoard) -> None:
    take(board, "one", owner="first\nfake token boot 999999 0 0 - second")
    assert lease_holder(board).partition(" ")[2] == "first"
    assert token_of(board) == "one"


def test_a_new_lease_says_who_where_and_what_for_in_one_line() -> None:
    result = new_lease("measuring\n on  pi5")
    assert result.owner.endswith(", measuring on pi5")
    assert "@" in result.owner
    assert result.token != new_lease("measuring").token


def test_waiting_says_once_who_holds_the_board(clock: Clock, notes: list[str]) -> None:
    waiting = LeaseWait("pi5", lease(wait_s=100))
    for left in (58, 56, 54):
        waiting.on(f"busy {left} somebody on pi5")
    assert notes == ["pi5 is held by somebody on pi5; waiting up to 100 s"]
    waiting.on("busy 60 another one")
    assert len(notes) == 2
    assert len(clock.slept) == 4


def test_waiting_is_over_in_time(clock: Clock, notes: list[str]) -> None:
    waiting = LeaseWait("pi5", lease(wait_s=10))
    while clock.monotonic() + LEASE_PAUSE_S <= 10:
        waiting.on("busy 44 somebody on pi5")
    with pytest.raises(BoardBusy) as caught:
        waiting.on("busy 42 somebody on pi5")
    assert caught.value.code == 16
    assert caught.value.what == "pi5 is held by somebody on pi5"
    assert "42 more seconds" in caught.value.evidence
    assert "fleet.locks" in caught.value.remedy
    assert sum(clock.slept) <= 10


def test_who_does_not_wait_hears_at_once(clock: Clock, notes: list[str]) -> None:
    with pytest.raises(BoardBusy):
        LeaseWait("pi5", lease(wait_s=0)).on("busy 42 somebody")
    assert (clock.slept, notes) == ([], [])


def script(board: LocalBoard, claim: Lease) -> str:
    argv = (HOME, claim.token, str(claim.seconds), claim.owner)
    return run_leased_script(board, claim, "lease_take", *argv)


def test_who_waits_gets_the_board_when_it_is_free(
    board: LocalBoard, clock: Clock, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    take(board, "other", owner="somebody")
    monkeypatch.setattr(clock, "sleep", lambda _s: take(board, "other", seconds=0))
    assert script(board, lease("ours", wait_s=100)) == ""
    assert token_of(board) == "ours"
    assert len(notes) == 1


def test_who_waits_in_vain_leaves_the_lock_as_it_was(
    board: LocalBoard, clock: Clock, notes: list[str]
) -> None:
    take(board, "other", owner="somebody")
    with pytest.raises(BoardBusy, match="held by somebody"):
        script(board, lease("ours", wait_s=10))
    assert token_of(board) == "other"
    assert board.commands == 1 + 1 + len(clock.slept)


def test_a_board_without_flock_is_told_how_to_get_it(board: LocalBoard) -> None:
    board.lacks_tool("flock")
    with pytest.raises(BoardCommandFailed, match="cannot be guarded") as caught:
        script(board, lease())
    assert "util-linux" in caught.value.remedy
    assert not (board.yard / "lock").exists()


def test_letting_go_of_a_board_that_is_gone_says_when_it_is_free(
    board: LocalBoard, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise HostUnreachable("pi5 does not answer over SSH")

    monkeypatch.setattr(board, "_transport", gone)
    release_lease(board, lease())
    assert notes == ["pi5 does not answer over SSH; it is free again in 60 s"]


def test_who_lets_go_twice_does_no_harm(board: LocalBoard) -> None:
    take(board, "token")
    release_lease(board, lease())
    take(board, "other")
    release_lease(board, lease())
    assert token_of(board) == "other"
