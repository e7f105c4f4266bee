"""What came of several jobs: a failure of one is said at once, kept, and raised at the end."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Generic, TypeVar

from piyard import say
from piyard.errors import JobsFailed, PiyardError, RunNotEnded

J = TypeVar("J")
R = TypeVar("R")


class Outcomes(Generic[J, R]):
    """The result or the failure of each job; threads may add to it."""

    def __init__(self, jobs: Sequence[J]) -> None:
        self._jobs = list(jobs)
        self._results: dict[int, R] = {}
        self._failures: dict[int, PiyardError] = {}
        self._others: list[PiyardError] = []
        self._guard = threading.Lock()

    @property
    def count(self) -> int:
        """How many jobs there are."""
        return len(self._jobs)

    @property
    def results(self) -> list[R]:
        """What was done, in the order of the jobs."""
        return [self._results[at] for at in sorted(self._results)]

    @property
    def failures(self) -> list[PiyardError]:
        """What went wrong: boards that had no job yet first, then jobs in their order."""
        return [*self._others, *(self._failures[at] for at in sorted(self._failures))]

    @property
    def failed_jobs(self) -> list[J]:
        """The jobs that failed, in their order."""
        return [self._jobs[at] for at in sorted(self._failures)]

    @property
    def summary(self) -> str:
        """How many of all jobs are done."""
        total = len(self._jobs) + len(self._others)
        return f"{len(self._results)} of {total} jobs done"

    def done(self, at: int, result: R) -> None:
        """Job number ``at`` is done."""
        with self._guard:
            self._results[at] = result

    def failed(self, at: int, error: PiyardError) -> None:
        """Job number ``at`` failed."""
        with self._guard:
            self._failures[at] = error
        self._tell(error)

    def fail_the_rest(self, error: PiyardError) -> None:
        """Every job that has no outcome failed for the same reason."""
        rest = set(range(len(self._jobs))) - set(self._results) - set(self._failures)
        self._failures |= dict.fromkeys(rest, error)

    def also_failed(self, error: PiyardError) -> None:
        """Something failed before it could become a job."""
        with self._guard:
            self._others.append(error)
        self._tell(error)

    def require_all(self, remedy: str = "see above what each one says") -> None:
        """Raise if anything failed: its own error when it was the only one asked for."""
        failures = self.failures
        total = len(self._jobs) + len(self._others)
        if len(failures) == 1 and total == 1:
            raise failures[0]
        if failures:
            raise JobsFailed(
                f"{len(failures)} of {total} jobs failed",
                evidence="\n".join(dict.fromkeys(failure.what for failure in failures)),
                remedy=_advice(failures) or remedy,
            )

    def _tell(self, error: PiyardError) -> None:
        if len(self._jobs) + len(self._others) > 1:
            advice = f" → {error.remedy}" if isinstance(error, RunNotEnded) else ""
            say.note(f"✗ {error.what}{advice}")


def _advice(failures: Sequence[PiyardError]) -> str:
    """What to do when all that failed are runs that are not over; else nothing."""
    if not all(isinstance(failure, RunNotEnded) for failure in failures):
        return ""
    advice = {failure.remedy for failure in failures}
    return advice.pop() if len(advice) == 1 else "invoke runs lists what goes on there"
