"""A run whose desktop fails meanwhile: one line, and nothing is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board
from piyard.board.ssh import commands
from piyard.core import console
from piyard.core.errors import (
    BoardDiskFull,
    BoardTooSlow,
    DiskUnusable,
    HostUnreachable,
    PiyardError,
)
from piyard.run import remote
from piyard.run.execute import NnrunCommand, _start_job
from piyard.run.job import JobContext, RunOptions
from piyard.run.lifecycle import finish_run
from piyard.run.record import Record, TaskInfo
from piyard.run.remote import cancel_process
from piyard.run.run_folders import LOG_FILE, run_folder
from piyard.run.schedule import run_on_boards
from tests.support import faulty_board, file_systems
from tests.support.local_board import LocalBoard, new_board


@pytest.fixture(autouse=True)
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(console, "info", said.append)
    monkeypatch.setattr(remote, "STATUS_WAIT_S", 1)
    return said


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


@pytest.fixture
def line(board: LocalBoard) -> Iterator[BoardConnection]:
    connection = BoardConnection(select_board("pi@127.0.0.1:1"), "desktop", wait_s=0)
    connection._session = board
    yield connection
    for folder in (board.yard / "runs").glob("*"):
        cancel_process(board, folder.name)


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with file_systems.mounted(tmp_path / "artifacts", "4m") as place:
        monkeypatch.setenv("PIYARD_ARTIFACTS", str(place))
        yield place


def context(line: BoardConnection) -> JobContext:
    return JobContext(
        connection=line,
        job=faulty_board.job(line.name),
        prepared=faulty_board.ready(),
        options=RunOptions(limit_s=60),
    )


def begun(line: BoardConnection, *command: str) -> Record:
    todo = NnrunCommand(verb=command[0], arguments=command[1:], what=TaskInfo(task="bench"))
    return _start_job(context(line), todo)


def fill(place: Path) -> Path:
    filler = place / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as stream:
        endlessly(stream.fileno())
    return filler


def endlessly(to: int) -> None:
    while os.write(to, b"\0" * 4096):
        pass


def test_a_disk_that_fills_up_here_in_mid_run_loses_nothing(
    line: BoardConnection, artifacts: Path
) -> None:
    record = begun(line, "lines", "4")
    filler = fill(artifacts)
    with pytest.raises(DiskUnusable) as caught:
        finish_run(line, record)
    assert str(caught.value) == (
        f"piyard: {artifacts / 'runs' / record.id}: no room is left on its disk; nothing is lost\n"
        "  → make room there, or choose another place with PIYARD_ARTIFACTS; "
        f"then: invoke attach {record.id}"
    )
    filler.unlink()
    assert finish_run(line, record).state == "ended"
    assert (run_folder(record.id) / LOG_FILE).read_text().endswith("line 4\nall\n")


def test_other_jobs_keep_their_outcomes_when_one_finds_no_room(
    line: BoardConnection, artifacts: Path, notes: list[str]
) -> None:
    def do(_line: BoardConnection, job: str) -> str:
        if job == "second":
            raise OSError(errno.ENOSPC, "No space left on device", str(artifacts / "runs" / "x"))
        return job

    outcomes = run_on_boards(
        [line], ["first", "second", "third"], do, group_of_job=lambda _: line.name
    )
    assert outcomes.results == ["first", "third"]
    (failure,) = outcomes.failures
    assert isinstance(failure, DiskUnusable)
    assert f"✗ {artifacts / 'runs' / 'x'}: no room is left on its disk" in notes[0]


@pytest.mark.parametrize("kind", [HostUnreachable, BoardTooSlow])
def test_a_board_that_is_not_heard_of_any_more_may_still_run(
    line: BoardConnection, kind: type[PiyardError], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = begun(line, "lines", "1")

    def silent(*_arguments: object, **_named: object) -> None:
        raise kind("pi5 does not answer", remedy="is it powered?")

    monkeypatch.setattr(remote, "wait_for_process", silent)
    with pytest.raises(kind, match="as far as is known, the run keeps running there") as caught:
        finish_run(line, record)
    assert caught.value.remedy == f"is it powered?; then: invoke attach {record.id}"


def test_a_board_that_is_lost_at_the_start_may_run_it(
    line: BoardConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_arguments: object, **_named: object) -> None:
        raise HostUnreachable("pi5 does not answer", remedy="is it powered?")

    monkeypatch.setattr(remote, "start_process", lost)
    with pytest.raises(HostUnreachable, match="whether the run began is not known") as caught:
        begun(line, "lines", "1")
    (folder,) = (run_folder("x").parent).iterdir()
    assert f"then: invoke attach {folder.name}" in caught.value.remedy


@pytest.fixture
def late_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It notes what it started when that has filled the disk already."""
    original, moment = commands.script_text, 'started "$leader"\nnote process'
    until_full = 'until [ "$(no_room)" = full ]; do sleep 0.1; done'
    late = original("supervise").replace(moment, f"{until_full}\n{moment}")
    assert until_full in late

    def script_text(name: str) -> str:
        return late if name == "supervise" else original(name)

    monkeypatch.setattr(commands, "script_text", script_text)


@pytest.mark.usefixtures("late_supervisor")
def test_a_board_that_fills_up_in_mid_run_is_said_as_such(
    tmp_path: Path, line: BoardConnection
) -> None:
    with file_systems.mounted(tmp_path / "cramped", "1m") as place:
        line._session = cramped = LocalBoard(place)
        record = begun(line, "flood")
        with pytest.raises(BoardDiskFull) as caught:
            finish_run(line, record)
        cancel_process(cramped, record.id)
        process = (cramped.yard / "runs" / record.id / "process").read_text().split()
    assert len(process) == 5, (
        "boot, supervisor, leader: without them, a run that goes on looks lost"
    )
    assert caught.value.what == f"{line.name}: the board's disk was full before {record.id} ended"
    assert "fleet.gc" in caught.value.remedy
    assert run_folder(record.id).is_dir()
