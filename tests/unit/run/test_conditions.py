"""Waiting until a board is cool and quiet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.board.ssh import commands
from piyard.core import cancel, console
from piyard.core.errors import BoardCommandFailed, HostUnreachable
from piyard.core.target import Conditions
from piyard.run.execute import BoardLook, cores_between, judge_idle, parse_looks, wait_until_idle
from tests.support.local_board import LocalBoard, new_board

LIMITS = Conditions(cool_c=60, load=0.1, settle_s=30)


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


@pytest.fixture(autouse=True)
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(console, "info", said.append)
    return said


def says(monkeypatch: pytest.MonkeyPatch, *lines: str, end: str = "exit 0") -> None:
    """Let the board's script say these lines."""
    text = "\n".join([*(f"echo '{line}'" for line in lines), end])
    monkeypatch.setattr(commands, "script_text", lambda _name: text)


def look(uptime_s: float, temperature_mc: int | None, busy_ticks: int) -> BoardLook:
    return BoardLook(uptime_s=uptime_s, temperature_mc=temperature_mc, busy_ticks=busy_ticks)


def test_a_cool_and_quiet_board_is_not_waited_for(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "10.00 45000 700", "11.00 45100 702", "12.00 90000 900", end="read -r _")
    until_idle = wait_until_idle(board, LIMITS)
    assert until_idle.ok
    assert until_idle.temperature_mc == 45100
    assert until_idle.load == pytest.approx(0.02)
    assert board.commands == 1


def test_a_hot_board_is_waited_for_until_it_is_cool(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch, notes: list[str]
) -> None:
    says(monkeypatch, "1 72000 0", "2 66000 0", "3 61000 0", "4 60000 0", "5 59999 0", "6 1 0")
    until_idle = wait_until_idle(board, LIMITS)
    assert until_idle.ok
    assert until_idle.temperature_mc == 59999
    assert not any("going on" in note for note in notes)


def test_a_board_at_work_is_waited_for_until_it_is_quiet(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "1 45000 0", "2 45000 180", "3 45000 190", "4 45000 199", "5 45000 199")
    until_idle = wait_until_idle(board, LIMITS)
    assert until_idle.quiet
    assert until_idle.load == pytest.approx(0.09)


def test_a_board_that_stays_hot_is_told_so(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch, notes: list[str]
) -> None:
    says(monkeypatch, "1 72000 0", "2 71500 1", "3 71000 1")
    until_idle = wait_until_idle(board, LIMITS)
    assert (until_idle.cool, until_idle.quiet, until_idle.ok) == (False, True, False)
    assert "local: still 71.0 °C, 0.00 cores busy" in notes[-1]
    assert [note[0] for note in notes[:2]] == ["…", "✗"]


def test_the_waiting_has_an_end(board: LocalBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, *(f"{n} 72000 {n * 100}" for n in range(1, 90)), end="read -r _")
    limits = Conditions(settle_s=0)
    until_idle = wait_until_idle(board, limits)
    assert (until_idle.cool, until_idle.quiet) == (False, False)
    assert until_idle.load == pytest.approx(1.0)


def test_a_board_without_a_thermometer_is_waited_for_until_it_is_quiet(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "1 - 0", "2 - 50", "3 - 51")
    until_idle = wait_until_idle(board, LIMITS)
    assert until_idle.ok
    assert (until_idle.temperature_mc, until_idle.text) == (None, "0.01 cores busy")


def test_a_board_that_says_nothing_is_an_error(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "nonsense", "1 2", end="echo no >&2; exit 3")
    with pytest.raises(BoardCommandFailed) as caught:
        wait_until_idle(board, LIMITS)
    assert caught.value.evidence == "no\n"


def test_a_lost_link_is_an_error(board: LocalBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(LocalBoard):
        def _transport(self) -> Any:
            raise ConnectionError("away")

    with pytest.raises(HostUnreachable):
        wait_until_idle(Gone(board.home), LIMITS)


def test_ctrl_c_ends_the_waiting(board: LocalBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "1 72000 0", "2 72000 0", end="read -r _")
    cancel.request()
    try:
        with pytest.raises(KeyboardInterrupt):
            wait_until_idle(board, LIMITS)
    finally:
        cancel.reset()


def test_this_machine_tells_how_it_is(board: LocalBoard) -> None:
    said = board.script("look", "3", "0.01").out.splitlines()
    result = list(parse_looks(said))
    assert len(result) == len(said) == 3
    assert result[0].uptime_s <= result[1].uptime_s <= result[2].uptime_s
    assert 0 < result[0].busy_ticks <= result[2].busy_ticks


def test_a_look_is_no_work_but_sleep(board: LocalBoard, tmp_path: Path) -> None:
    board.has_tool("sleep", f"echo x >> {tmp_path}/slept")
    board.path = "/nowhere"  # every other program is missed
    assert board.tools
    (board.tools / "timeout").symlink_to("/usr/bin/timeout")
    (board.tools / "sh").symlink_to("/bin/sh")
    outcome = board.script("look", "4", "0")
    assert len(outcome.out.splitlines()) == 4
    assert outcome.err == ""
    assert (tmp_path / "slept").read_text() == "x\n" * 3


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.floats(0.01, 1000))
def test_load_is_what_was_worked_in_the_time(ticks: int, more: int, seconds: float) -> None:
    result = cores_between(look(0, None, ticks), look(seconds, None, ticks + more))
    assert result == pytest.approx(more / 100 / seconds)


def test_without_time_between_nothing_is_known() -> None:
    assert cores_between(look(1, None, 5), look(1, None, 9)) is None
    assert not judge_idle(None, look(1, None, 5), 0, LIMITS).quiet


@given(st.integers(-20_000, 120_000), st.integers(0, 400))
def test_cool_and_quiet_are_strictly_below_the_limits(warm: int, ticks: int) -> None:
    result = judge_idle(look(1, None, 0), look(2, warm, ticks), 1, LIMITS)
    assert result.cool == (warm < 60_000)
    assert result.quiet == (ticks < 10)
    assert result.ok == (result.cool and result.quiet)


@given(st.text())
def test_any_line_is_a_look_or_none(line: str) -> None:
    assert all(isinstance(parse_look, BoardLook) for parse_look in parse_looks([line]))
