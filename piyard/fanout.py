"""Boards in parallel, the jobs of one board strictly in turn; no board stops another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from piyard import disk, say, stop
from piyard.board import Line
from piyard.errors import (
    BoardBusy,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    PiyardError,
    RunNotEnded,
)
from piyard.outcome import Outcomes

J = TypeVar("J")
R = TypeVar("R")

PARALLEL = 16
LOOK_S = 1.0
AGAIN = "--retry-failed runs what is left; invoke attach waits for runs that are still going"
LOST = (HostUnreachable, BoardBusy, NoSuchHost, KeyRejected)
"""Errors that the board's other jobs would meet too."""


class Queue(Generic[J]):
    """The jobs of one group of equal boards, with their places in the plan.

    A board without work waits while others work: it takes over when one of them is lost.
    """

    def __init__(self, jobs: Sequence[tuple[int, J]], boards: int) -> None:
        self._waiting, self._boards, self._under_way = deque(jobs), boards, 0
        self._changed = threading.Condition()

    def take(self) -> tuple[int, J] | None:
        """The next job; None when there are no more, and the board is done."""
        with self._changed:
            while not self._waiting and self._under_way and not stop.asked():
                self._changed.wait(LOOK_S)
            if not self._waiting or stop.asked():
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


class Worker(Generic[J, R]):
    """One board and the queue it takes its jobs from."""

    def __init__(
        self, line: Line, queue: Queue[J], do: Callable[[Line, J], R], outcomes: Outcomes[J, R]
    ) -> None:
        self._line, self._queue, self._do, self._outcomes = line, queue, do, outcomes

    def work(self) -> None:
        """Run jobs until there are none, or the board is lost; then close it."""
        try:
            while (taken := self._queue.take()) is not None:
                if not self._run_one(taken):
                    return
        finally:
            self._line.close()

    def _run_one(self, taken: tuple[int, J]) -> bool:
        """Run a job; whether the board can take another one."""
        index, job = taken
        try:
            with say.job(index + 1, self._outcomes.count):
                self._outcomes.done(index, self._do(self._line, job))
        except LOST as error:
            self._lost(taken, error)
            return False
        except PiyardError as error:
            self._outcomes.failed(index, error)
        except KeyboardInterrupt:
            stop.ask()
        except OSError as error:
            if (trouble := disk.trouble(error)) is None:
                self._queue.over()
                raise
            self._outcomes.failed(index, trouble)
        except BaseException:
            self._queue.over()
            raise
        self._queue.over()
        return not stop.asked()

    def _lost(self, taken: tuple[int, J], error: PiyardError) -> None:
        orphans = self._queue.leave(taken)
        if not orphans:
            say.note(f"✗ {error.what}; other boards take over its jobs")
        for index, _job in orphans[:1]:
            self._outcomes.failed(index, error)
        for index, _job in orphans[1:]:
            self._outcomes.not_begun(index, error)


def each(
    lines: Sequence[Line],
    jobs: Sequence[J],
    do: Callable[[Line, J], R],
    *,
    group_of_job: Callable[[J], str],
    group_of_line: Callable[[Line], str] = lambda line: line.name,
    title: Callable[[J], str] = lambda _job: "",
    parallel: int = PARALLEL,
) -> Outcomes[J, R]:
    """Run the jobs of every group on its boards, and close the boards at the end.

    A group is one board, or several equal ones that share their jobs. ``title`` names a job in
    the report of its failure.
    """
    outcomes: Outcomes[J, R] = Outcomes(jobs, title)
    workers = []
    for group in dict.fromkeys(group_of_line(line) for line in lines):
        of_group = [line for line in lines if group_of_line(line) == group]
        numbered = [(index, job) for index, job in enumerate(jobs) if group_of_job(job) == group]
        queue = Queue(numbered, len(of_group))
        workers += [(line, Worker(line, queue, do, outcomes)) for line in of_group]
    at_once([(line.name, worker.work) for line, worker in workers], parallel)
    if stop.asked():
        outcomes.skip_the_rest(RunNotEnded("stopped by Ctrl-C before all was done", remedy=AGAIN))
    return outcomes


def at_once(work: Sequence[tuple[str, Callable[[], None]]], parallel: int = PARALLEL) -> None:
    """Run named functions in threads, with a live line each; a single one in this thread."""
    if len(work) == 1:
        work[0][1]()
        return

    def shown(name: str, do: Callable[[], None]) -> None:
        with say.line(name):
            do()

    with ThreadPoolExecutor(max_workers=max(1, min(parallel, len(work)))) as pool, _stopped():
        running = [pool.submit(shown, name, do) for name, do in work]
        _wait_for(running)


@contextmanager
def _stopped() -> Iterator[None]:
    """Ctrl-C stops the threads at their next check, and the block ends after they have."""
    try:
        yield
    except KeyboardInterrupt:
        say.note("stopping: what runs on the boards keeps running there")
        stop.ask()


def _wait_for(running: Sequence[Future[None]]) -> None:
    """Wait for all; only Ctrl-C interrupts this, and unexpected errors are raised.

    A signal just before Python sleeps does not wake it, so it never sleeps for long.
    """
    pending = set(running)
    while pending:
        pending = wait(pending, timeout=LOOK_S).not_done
    for future in running:
        with suppress(KeyboardInterrupt):
            future.result()
