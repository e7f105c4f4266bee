"""Taking samples: every way in turn does the whole job on the same boards, round after round.

In a round each way meets empty boards (``first``), boards that hold it all already (``unchanged``),
and boards for which one file of ten has changed (``one changed``). The result is verified on the
boards after each sample. The order of the ways moves on by one from round to round.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.rivals import job as jobs
from benchmarks.rivals import ways
from benchmarks.rivals.boards import Board
from benchmarks.rivals.job import Job
from benchmarks.rivals.payload import Payload
from benchmarks.rivals.reach import Reach
from benchmarks.rivals.ways import OURS, Way
from piyard.core import console
from piyard.core.errors import JobsFailed

FIRST, UNCHANGED, CHANGED = CASES = ("first", "unchanged", "one changed")


@dataclass(frozen=True)
class Sample:
    """One deploy of one way to so many boards."""

    tool: str
    case: str
    boards: int
    delay_ms: float
    """Of a round trip, added."""
    seconds: float
    """From the start of the command to its end."""
    cpu_s: float
    """Spent on this machine by the command and what it started and waited for."""
    received: int
    """Bytes at the boards' network interfaces, all boards together."""
    alone: int
    """Bytes of the file that changes, compressed by itself by ``zstd -3``."""
    commands: int | None = None
    """Over SSH to one board, at most; known for piyard only."""
    sent: int | None = None
    """Bytes of the compressed stream to one board, at most; known for piyard only."""


@dataclass(frozen=True)
class Place:
    """Boards, and how far away they are."""

    boards: list[Board]
    reach: Reach
    delay_ms: float
    """Of a round trip, added."""


class Rounds:
    """The rounds of all ways with one payload."""

    def __init__(self, compared: Sequence[Way], payload: Payload) -> None:
        self._ways, self._payload = compared, payload
        self._changes = 0
        self._warm = False

    def take(self, rounds: int, place: Place) -> Iterator[Sample]:
        """The samples of so many rounds; before the very first one, one that does not count."""
        if not self._warm:
            list(self._turn(0, "warm-up", place))
            self._warm = True
        for number in range(1, rounds + 1):
            yield from self._turn(number, f"round {number} of {rounds}", place)

    def _turn(self, number: int, title: str, place: Place) -> Iterator[Sample]:
        where = f"{len(place.boards)} boards, {place.delay_ms:g} ms"
        for way in rotated(self._ways, number):
            with console.step(f"{way.name}: {where}, {title}"):
                yield from self._round(way, place)

    def _round(self, way: Way, place: Place) -> list[Sample]:
        for board in place.boards:
            board.empty()
        return [self._sample(way, case, place) for case in CASES]

    def _sample(self, way: Way, case: str, place: Place) -> Sample:
        if case == CHANGED:
            self._changes += 1
            self._payload.change(self._changes)
        job = jobs.prepare(self._payload, place.reach)
        way.before(job)
        before = _received(place)
        done = run(way, job)
        received = _received(place) - before
        way.after(job)
        for board in place.boards:
            board.require(way.shows, job.sums_text)
        return Sample(
            tool=way.name,
            case=case,
            boards=len(place.boards),
            delay_ms=place.delay_ms,
            seconds=done.seconds,
            cpu_s=done.cpu_s,
            received=received,
            alone=self._payload.changed_alone(),
            **_told(done.output) if way.name in OURS else {},
        )


def rotated(compared: Sequence[Way], number: int) -> list[Way]:
    """The order of a round: the next one begins with the next way."""
    first = number % len(compared)
    return [*compared[first:], *compared[:first]]


def _received(place: Place) -> int:
    return sum(board.received() for board in place.boards)


@dataclass(frozen=True)
class Done:
    """A command that ended well."""

    seconds: float
    cpu_s: float
    output: str


def run(way: Way, job: Job) -> Done:
    """Do the job this way, timed as a whole; raises ``JobsFailed`` when it ends badly."""
    log = job.reach.folder / "log"
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            way.argv(job),
            env=ways.environment(way, job),
            cwd=job.reach.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        seconds, cpu_s = _wait(process, start)
    said = log.read_text(errors="replace")
    if process.returncode:
        raise JobsFailed(
            f"{way.name} failed (exit code {process.returncode})", evidence=said[-2000:]
        )
    return Done(seconds, cpu_s, said)


def _wait(process: subprocess.Popen[bytes], start: float) -> tuple[float, float]:
    """Seconds until it ended, and of the processor that it and what it waited for took."""
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def _told(output: str) -> dict[str, int]:
    """What piyard says of itself: the largest number of any board."""
    by_board = json.loads(output.splitlines()[-1]).values()
    return {key: max(board[key] for board in by_board) for key in ("commands", "sent")}
