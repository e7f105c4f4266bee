"""A run's log, read line by line while the run writes it."""

from __future__ import annotations

import json
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from piyard.core import cancel
from piyard.run import follow
from piyard.run.follow import LogFollower
from tests.support import local_runs
from tests.support.local_board import LocalBoard, new_board

WRITER = (
    'i=0; while [ $i -lt "$1" ]; do '
    'echo "{\\"type\\":\\"n\\",\\"i\\":$i}"; i=$((i+1)); sleep 0.05; done'
)


class Seen:
    """What attends a run, and remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[int] = []

    def attend(self, _connection: Any, _record: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def see(self, line: dict[str, Any]) -> None:
        self.lines.append(line["i"])


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


def followed(board: LocalBoard, seen: Seen) -> int:
    """Look until the run is over; how often."""
    follower = LogFollower(seen)
    for looks in range(1, 200):
        if follower.look(board, local_runs.RUN).state == "ended":
            follower.finish(board.yard / "runs" / local_runs.RUN)
            return looks
    raise AssertionError(seen.lines)


@pytest.mark.parametrize("seconds", [1, 4])
def test_each_line_is_seen_once_and_in_order(
    board: LocalBoard, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "FOLLOW_S", seconds)
    seen = Seen()
    local_runs.start(board, "sh", "-c", WRITER, "writer", "60")
    looks = followed(board, seen)
    assert seen.lines == list(range(60))
    assert looks < 30


def test_a_tail_that_cannot_wait_for_a_process(
    board: LocalBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = shutil.which("busybox")
    if not program:
        pytest.skip("this machine has no busybox: apt-get install busybox-static")
    board.has_tool("tail", f'exec {program} tail "$@"')
    monkeypatch.setattr(follow, "FOLLOW_S", 2)
    seen = Seen()
    local_runs.start(board, "sh", "-c", WRITER, "writer", "30")
    followed(board, seen)
    assert seen.lines == list(range(30))


def test_a_line_that_is_not_whole_yet_waits(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "FOLLOW_S", 1)
    seen = Seen()
    half = 'printf "{\\"type\\":\\"n\\","; sleep 2; echo "\\"i\\":7}"'
    local_runs.start(board, "sh", "-c", half)
    followed(board, seen)
    assert seen.lines == [7]


def test_nonsense_is_passed_over_by_the_fetched_log(tmp_path: Path) -> None:
    seen = Seen()
    lines = ['{"type":"n","i":0}', "[1]", '"text"', '{"type":3}', '{"type":"n","i":1}', '{"cut']
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    LogFollower(seen).finish(tmp_path)
    assert seen.lines == [0, 1]
    LogFollower(seen).finish(tmp_path / "none")


def test_ctrl_c_is_noticed_between_two_lines(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopping(Seen):
        def see(self, line: dict[str, Any]) -> None:
            super().see(line)
            cancel.request()

    monkeypatch.setattr(follow, "FOLLOW_S", 1)
    seen = Stopping()
    local_runs.start(board, "sh", "-c", WRITER, "writer", "40")
    try:
        with pytest.raises(KeyboardInterrupt):
            followed(board, seen)
    finally:
        cancel.reset()
    assert json.dumps(seen.lines) == "[0]"
    local_runs.end_of(board)
