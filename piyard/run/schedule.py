"""Boards in parallel, the jobs of one board strictly in turn; no board stops another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from piyard.board.connection import BoardConnection
from piyard.core import cancel, console
from piyard.core.console import job_prefix, live_line
from piyard.core.errors import (
    PROGRAM,
    BoardBusy,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    PiyardError,
    RunNotEnded,
)
from piyard.core.files import disk_error
from piyard.run.outcomes import JobOutcomes

J = TypeVar("J")
R = TypeVar("R")

MAX_PARALLEL = 16
WAKE_S = 1.0
RUNS_GO_ON = "stopping: what runs on the boards keeps running there"
LIVE_RUNS_END = "stopping: the live runs end on their boards, and what they wrote is fetched"
RETRY_REMEDY = (
    f"--retry-failed runs what is left; {PROGRAM} attach waits for runs that are still going"
)
LOST_ERRORS = (HostUnreachable, BoardBusy, NoSuchHost, KeyRejected)
"""Errors that the board's other jobs would meet too."""


class JobQueue(Generic[J]):
    """The jobs of one group of equal boards, with their places in the plan.

    A board without work waits while others work: it takes over when one of them is lost.
    """

    def __init__(self, jobs: Sequence[tuple[int, J]], boards: int) -> None:
        self._waiting, self._boards, self._under_way = deque(jobs), boards, 0
        self._changed = threading.Condition()

    def take(self) -> tuple[int, J] | None:
        """The next job; None when there are no more, and the board is done."""
        with self._changed:
            while not self._waiting and self._under_way and not cancel.requested():
                self._changed.wait(WAKE_S)
            if not self._waiting or cancel.requested():
                self._boards -= 1
                return None
            self._under_way += 1
            return self._waiting.popleft()

    def over(self) -> None:
        """A job has an outcome."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def leave(self, job: tuple[int, J]) -> list[tuple[int, J]]:
        """A board is lost: its job goes to another one; jobs left without a board are returned."""
        with self._changed:
            self._boards -= 1
            self._under_way -= 1
            self._waiting.appendleft(job)
            orphans = [] if self._boards else list(self._waiting)
            if orphans:
                self._waiting.clear()
            self._changed.notify_all()
            return orphans


class BoardWorker(Generic[J, R]):
    """One board and the queue it takes its jobs from."""

    def __init__(
        self,
        connection: BoardConnection,
        queue: JobQueue[J],
        do: Callable[[BoardConnection, J], R],
        outcomes: JobOutcomes[J, R],
    ) -> None:
        self._connection, self._queue, self._do, self._outcomes = connection, queue, do, outcomes

    def work(self) -> None:
        """Run jobs until there are none, or the board is lost; then close it."""
        try:
            while (taken := self._queue.take()) is not None:
                if not self._run_one(taken):
                    return
        finally:
            self._connection.close()

    def _run_one(self, taken: tuple[int, J]) -> bool:
        """Run a job; whether the board can take another one."""
        index, job = taken
        try:
            with job_prefix(index + 1, self._outcomes.count):
                self._outcomes.done(index, self._do(self._connection, job))
        except LOST_ERRORS as error:
            self._lost(taken, error)
            return False
        except PiyardError as error:
            self._outcomes.failed(index, error)
        except KeyboardInterrupt:
            cancel.request()
        except OSError as error:
            if (trouble := disk_error(error)) is None:
                self._queue.over()
                raise
            self._outcomes.failed(index, trouble)
        except BaseException:
            self._queue.over()
            raise
        self._queue.over()
        return not cancel.requested()

    def _lost(self, taken: tuple[int, J], error: PiyardError) -> None:
        orphans = self._queue.leave(taken)
        if not orphans:
            console.info(f"✗ {error.what}; other boards take over its jobs")
        for index, _job in orphans[:1]:
            self._outcomes.failed(index, error)
        for index, _job in orphans[1:]:
            self._outcomes.not_begun(index, error)


def run_on_boards(
    connections: Sequence[BoardConnection],
    jobs: Sequence[J],
    do: Callable[[BoardConnection, J], R],
    *,
    group_of_job: Callable[[J], str],
    group_of_board: Callable[[BoardConnection], str] = lambda connection: connection.name,
    title: Callable[[J], str] = lambda _job: "",
    parallel: int = MAX_PARALLEL,
    stopping: str = RUNS_GO_ON,
) -> JobOutcomes[J, R]:
    """Run the jobs of every group on its boards, and close the boards at the end.

    A group is one board, or several equal ones that share their jobs. ``title`` names a job in
    the report of its failure; ``stopping`` says what Ctrl-C means for all of them.
    """
    outcomes: JobOutcomes[J, R] = JobOutcomes(jobs, title)
    workers = []
    for group in dict.fromkeys(group_of_board(connection) for connection in connections):
        of_group = [connection for connection in connections if group_of_board(connection) == group]
        numbered = [(index, job) for index, job in enumerate(jobs) if group_of_job(job) == group]
        queue = JobQueue(numbered, len(of_group))
        workers += [
            (connection, BoardWorker(connection, queue, do, outcomes)) for connection in of_group
        ]
    run_parallel(
        [(connection.name, worker.work) for connection, worker in workers], parallel, stopping
    )
    if cancel.requested():
        outcomes.skip_the_rest(
            RunNotEnded("stopped by Ctrl-C before all was done", remedy=RETRY_REMEDY)
        )
    return outcomes


def run_parallel(
    work: Sequence[tuple[str, Callable[[], None]]],
    parallel: int = MAX_PARALLEL,
    stopping: str = "stopping",
) -> None:
    """Run named functions in threads, with a live line each; a single one in this thread.

    ``stopping`` is said at Ctrl-C.
    """
    if len(work) == 1:
        work[0][1]()
        return

    def shown(name: str, do: Callable[[], None]) -> None:
        with live_line(name):
            do()

    with (
        ThreadPoolExecutor(max_workers=max(1, min(parallel, len(work)))) as pool,
        _cancel_on_interrupt(stopping),
    ):
        running = [pool.submit(shown, name, do) for name, do in work]
        _wait_for(running)


@contextmanager
def _cancel_on_interrupt(stopping: str) -> Iterator[None]:
    """Ctrl-C stops the threads at their next check, and the block ends after they have."""
    try:
        yield
    except KeyboardInterrupt:
        console.info(stopping)
        cancel.request()


def _wait_for(running: Sequence[Future[None]]) -> None:
    """Wait for all; only Ctrl-C interrupts this, and unexpected errors are raised.

    A signal just before Python sleeps does not wake it, so it never sleeps for long.
    """
    pending = set(running)
    while pending:
        pending = wait(pending, timeout=WAKE_S).not_done
    for future in running:
        with suppress(KeyboardInterrupt):
            future.result()
