"""Outcomes of several jobs: a failure is reported at once, kept, and raised at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from piyard import say
from piyard.errors import JobsFailed, PiyardError, RunNotEnded

J = TypeVar("J")
R = TypeVar("R")


def _unnamed(_job: object) -> str:
    return ""


class Outcomes(Generic[J, R]):
    """The result or the failure of each job; threads may add to it.

    ``title`` names a job for people; without it an error must name its board itself.
    """

    def __init__(self, jobs: Sequence[J], title: Callable[[J], str] = _unnamed) -> None:
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
            remedy=_advice(failures) or remedy,
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
        failed = [_line(error) for error in self._others]
        failed += [
            _line(self._failures[index], self._title(self._jobs[index]))
            for index in sorted(self._failures)
        ]
        return [*dict.fromkeys(failed), *_reasons_of(self._not_begun)]

    def _report(self, error: PiyardError, title: str) -> None:
        if self._total > 1:
            evidence = "".join(f"\n    {line}" for line in error.evidence.strip().splitlines())
            say.note(f"✗ {_named(error, title)}{evidence}")
            if error.remedy:
                say.note(f"  → {error.remedy}")


def _named(error: PiyardError, title: str) -> str:
    return f"{title}: {error.what}" if title else error.what


def _line(error: PiyardError, title: str = "") -> str:
    return _named(error, title) + (f" → {error.remedy}" if error.remedy else "")


def _reasons_of(not_begun: Mapping[int, PiyardError]) -> list[str]:
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


def _advice(failures: Sequence[PiyardError]) -> str:
    """The remedy when all failures are runs that have not ended; else nothing."""
    if not all(isinstance(failure, RunNotEnded) for failure in failures):
        return ""
    advice = {failure.remedy for failure in failures}
    return advice.pop() if len(advice) == 1 else "invoke runs lists what keeps running there"
