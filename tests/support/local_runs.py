"""A run on a board that is a folder here: started, waited for, looked at from outside."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from piyard.board.release import Release
from piyard.run.deploy import deploy_releases
from piyard.run.remote import ProcessStatus, start_process, wait_for_process
from tests.support.local_board import LocalBoard, lease, release

RUN = "20260101T000000-a-run"
PATIENCE_S = 60
"""How long a test waits for what must happen before it fails."""


def start(
    board: LocalBoard,
    *command: str,
    run: str = RUN,
    token: str = "token",
    limit_s: int = 600,
    watch: Sequence[str] = (),
    governor: str = "",
    cpufreq: Path = Path("/nowhere"),
) -> Release:
    """Deploy a release and start a command beside it."""
    what = release(nnrun="program")
    claim = lease(token, f"owner of {token}")
    deploy_releases(board, [what], claim, keep=True)
    start_process(
        board,
        run,
        what,
        command,
        claim,
        limit_s=limit_s,
        watch=watch,
        governor=governor,
        cpufreq=str(cpufreq),
    )
    return what


def end_of(board: LocalBoard, run: str = RUN) -> ProcessStatus:
    return wait_for_process(lambda: board, board, run, lambda _status: None)


def until_running(board: LocalBoard, run: str = RUN) -> Path:
    folder = board.yard / "runs" / run
    deadline = time.monotonic() + PATIENCE_S
    while not (folder / "status").read_text().startswith("running"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return folder


def written(file: Path) -> str:
    """The file's text, once there is any."""
    deadline = time.monotonic() + PATIENCE_S
    while not (file.is_file() and file.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return file.read_text()


def processes(folder: Path) -> tuple[int, int]:
    """The supervisor and the leader of the command's group."""
    _, supervisor, _, leader, _ = (folder / "process").read_text().split()
    return int(supervisor), int(leader)


def guard_of(folder: Path, supervisor: int, leader: int) -> int:
    """The supervisor's child that looks after the run, once it left a sign of life."""
    written(folder / "heartbeat")
    (guard,) = children(supervisor) - {leader}
    return guard


def children(parent: int) -> set[int]:
    result = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                result.add(int(stat.parent.name))
    return result


def until_gone(*gone: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while any(map(lives, gone)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lives(process: int) -> bool:
    """Whether that process is there, and not only waits to be buried."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
