"""Outcomes of several jobs: reported at once, raised at the end, kept for --retry-failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from piyard.core import console, paths
from piyard.core.errors import PROGRAM, JobsFailed, PiyardError, RunNotEnded, WrongInput
from piyard.core.files import atomic_write, disk_error
from piyard.run.job import BenchDuration, StoredJob

J = TypeVar("J")
R = TypeVar("R")


def _no_title(_job: object) -> str:
    return ""


class JobOutcomes(Generic[J, R]):
    """The result or the failure of each job; threads may add to it.

    ``title`` names a job for people; without it an error must name its board itself.
    """

    def __init__(self, jobs: Sequence[J], title: Callable[[J], str] = _no_title) -> None:
        self._jobs = list(jobs)
        self._title = title
        self._results: dict[int, R] = {}
        self._failures: dict[int, PiyardError] = {}
        self._not_begun: dict[int, PiyardError] = {}
        self._others: list[PiyardError] = []
        self._guard = threading.Lock()

    @property
    def count(self) -> int:
        """How many jobs there are."""
        return len(self._jobs)

    @property
    def results(self) -> list[R]:
        """The results of the jobs that are done, in the order of the jobs."""
        return [self._results[index] for index in sorted(self._results)]

    @property
    def failures(self) -> list[PiyardError]:
        """All failures: boards without a job first, then jobs in their order."""
        return [*self._others, *(self._failures[index] for index in sorted(self._failures))]

    @property
    def unfinished_jobs(self) -> list[J]:
        """The jobs that failed or did not begin, in their order; not those that keep running."""
        failed = {index for index, error in self._failures.items() if not _keeps_running(error)}
        return [self._jobs[index] for index in sorted(failed | self._not_begun.keys())]

    @property
    def summary(self) -> str:
        """How many of all jobs are done, failed, and did not begin."""
        left = self._left()
        return f"{len(self._results)} of {self._total} jobs done" + (f", {left}" if left else "")

    def done(self, index: int, result: R) -> None:
        """Job number ``index`` is done."""
        with self._guard:
            self._results[index] = result

    def failed(self, index: int, error: PiyardError) -> None:
        """Job number ``index`` failed."""
        with self._guard:
            self._failures[index] = error
        self._report(error, self._title(self._jobs[index]))

    def not_begun(self, index: int, error: PiyardError) -> None:
        """Job number ``index`` will not begin, because of that error of another job."""
        with self._guard:
            self._not_begun[index] = error

    def skip_the_rest(self, error: PiyardError) -> None:
        """Every job that has no outcome did not begin, for the same reason."""
        rest = set(range(len(self._jobs))) - set(self._results) - set(self._failures)
        self._not_begun |= dict.fromkeys(rest - set(self._not_begun), error)

    def also_failed(self, error: PiyardError) -> None:
        """A failure before there was a job."""
        with self._guard:
            self._others.append(error)
        self._report(error, "")

    def require_all(self, remedy: str = "see the errors above") -> None:
        """Raise if anything failed or did not begin: its own error when it was the only job."""
        failures = [*self.failures, *self._not_begun.values()]
        if not failures:
            return
        if self._total == 1:
            raise failures[0]
        raise JobsFailed(
            self._left(of_all=True),
            evidence="\n".join(self._lines()),
            remedy=_common_remedy(failures) or remedy,
        )

    @property
    def _total(self) -> int:
        return len(self._jobs) + len(self._others)

    def _left(self, *, of_all: bool = False) -> str:
        """``2 failed, 3 not begun``; with ``of_all``, ``2 of 8 jobs failed, 3 not begun``."""
        counts = {"failed": len(self.failures), "not begun": len(self._not_begun)}
        parts = [(count, state) for state, count in counts.items() if count]
        texts = [f"{count} {state}" for count, state in parts]
        if of_all:
            texts[0] = f"{parts[0][0]} of {self._total} jobs {parts[0][1]}"
        return ", ".join(texts)

    def _lines(self) -> list[str]:
        """One line for each failed job, and one for all that did not begin for the same reason."""
        failed = [_failure_line(error) for error in self._others]
        failed += [
            _failure_line(self._failures[index], self._title(self._jobs[index]))
            for index in sorted(self._failures)
        ]
        return [*dict.fromkeys(failed), *_reason_lines(self._not_begun)]

    def _report(self, error: PiyardError, title: str) -> None:
        if self._total > 1:
            evidence = "".join(f"\n    {line}" for line in error.evidence.strip().splitlines())
            console.info(f"✗ {_failure_title(error, title)}{evidence}")
            if error.remedy:
                console.info(f"  → {error.remedy}")


def _failure_title(error: PiyardError, title: str) -> str:
    return f"{title}: {error.what}" if title else error.what


def _failure_line(error: PiyardError, title: str = "") -> str:
    return _failure_title(error, title) + (f" → {error.remedy}" if error.remedy else "")


def _reason_lines(not_begun: Mapping[int, PiyardError]) -> list[str]:
    """A line for each reason, with the number of jobs that did not begin for it."""
    counts: dict[str, int] = {}
    for error in not_begun.values():
        counts[error.what] = counts.get(error.what, 0) + 1
    return [
        f"{count} {'job' if count == 1 else 'jobs'} not begun: {what}"
        for what, count in counts.items()
    ]


def _keeps_running(error: PiyardError) -> bool:
    return isinstance(error, RunNotEnded) and error.keeps_running


def _common_remedy(failures: Sequence[PiyardError]) -> str:
    """The remedy when all failures are runs that have not ended; else nothing."""
    if not all(isinstance(failure, RunNotEnded) for failure in failures):
        return ""
    advice = {failure.remedy for failure in failures}
    return advice.pop() if len(advice) == 1 else f"{PROGRAM} runs lists what keeps running there"


class RetryState(msgspec.Struct, frozen=True, kw_only=True):
    """The unfinished jobs of one command, and its options."""

    jobs: Sequence[StoredJob]
    boards: Sequence[str] = ()
    """Boards that did not answer, so that nothing was planned for them."""
    models: Sequence[str] = ()
    precisions: Sequence[str] = ()
    threads: Sequence[int] = ()
    bench: BenchDuration = BenchDuration()
    random_weights: bool = False
    target: str = ""

    @property
    def hosts(self) -> list[str]:
        """All boards with something left to do."""
        return list(dict.fromkeys([*(job.host for job in self.jobs), *self.boards]))

    def jobs_of(self, boards: Collection[str]) -> list[StoredJob]:
        """The jobs that were planned for these boards."""
        return [job for job in self.jobs if job.host in boards]


def save_retry_state(verb: str, failed: RetryState) -> None:
    """Keep it until the next such command; a disk error is only reported."""
    try:
        with atomic_write(_retry_file(verb)) as draft:
            draft.write_bytes(msgspec.json.encode(failed))
    except OSError as error:
        if (trouble := disk_error(error)) is None:
            raise
        console.info(f"✗ --retry-failed will not know these failures: {trouble.what}")


def load_retry_state(verb: str) -> RetryState:
    """The failed jobs of the last time; raises ``WrongInput`` when there are none."""
    try:
        failed = msgspec.json.decode(_retry_file(verb).read_bytes(), type=RetryState)
    except (OSError, msgspec.DecodeError):
        failed = RetryState(jobs=[])
    if not failed.hosts:
        raise WrongInput(f"no {verb} failed last time", remedy="leave out --retry-failed")
    return failed


def _retry_file(verb: str) -> Path:
    return paths.artifacts() / "failed" / f"{verb}.json"
