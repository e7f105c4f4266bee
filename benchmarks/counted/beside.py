"""What works on a board beside a run, and how many instructions a second that takes."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.counted import board
from benchmarks.counted.board import Board, Counts
from piyard.board.lease import LEASE_SECONDS
from piyard.board.ssh.commands import script_text
from piyard.run.telemetry import watch_command

SHORT_S, MORE_S = 7, 60
"""What happens once a run drops out of the difference between a short one and one that takes so
much longer; in a minute, all that is done by turns comes round a whole number of times."""
LIMIT_S = 3600
FORMER = Path(__file__).with_name("former_telemetry.sh")
RUN = "run"

Beside = Callable[[Board, Path, int], None]
"""On that board, with its counts going to that folder, beside a run of so many seconds."""


def piyards(there: Board, counts: Path, seconds: int) -> None:
    """The supervisor with its guard, lease and watcher; the run itself only sleeps."""
    with tempfile.TemporaryDirectory(dir=there.folder) as home:
        run = Path(home) / "runs" / RUN
        run.mkdir(parents=True)
        (run / "supervise.sh").write_text(script_text("supervise"))
        watch = watch_command("nnrun")
        words = ["token", "owner", RUN, str(LIMIT_S), str(LEASE_SECONDS), "", "/nowhere"]
        argv = ["supervise.sh", *words, str(len(watch)), *watch, "idle", str(seconds)]
        board.run(there, there.argv("sh", *argv), counts, run)


def formers(there: Board, counts: Path, seconds: int) -> None:
    """The loop in shell that there was before."""
    with (
        tempfile.TemporaryDirectory(dir=there.folder) as folder,
        subprocess.Popen(["sleep", str(seconds)]) as idle,
    ):
        stat = Path(f"/proc/{idle.pid}/stat").read_text()
        started = stat.rpartition(")")[2].split()[19]
        argv = there.argv("sh", str(FORMER), str(idle.pid), started)
        board.run(there, argv, counts, Path(folder))


def per_second(there: Board, beside: Beside) -> Counts:
    """Of a long run, each program apart."""

    def counted(seconds: int) -> Counts:
        with tempfile.TemporaryDirectory(dir=there.folder) as counts:
            beside(there, Path(counts), seconds)
            return board.read(Path(counts))

    with ThreadPoolExecutor() as pool:
        short, longer = pool.map(counted, [SHORT_S, SHORT_S + MORE_S])
    # The run itself stands for one that is counted by itself.
    return {
        name: round(count / MORE_S)
        for name, count in board.difference(longer, short).items()
        if name != "idle"
    }
