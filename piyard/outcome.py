"""What came of several jobs: a failure of one is said at once, kept, and raised at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from piyard import say
from piyard.errors import JobsFailed, PiyardError

T = TypeVar("T")


class Outcomes(Generic[T]):
    """Results in their order, and every failure, of so many jobs."""

    def __init__(self, jobs: int) -> None:
        self._only_one = jobs == 1
        self.results: list[T] = []
        self.failures: list[PiyardError] = []

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Go on after a ``PiyardError`` in this block."""
        try:
            yield
        except PiyardError as error:
            self.failures.append(error)
            if not self._only_one:
                say.note(error.what)

    def require_all(self) -> None:
        """Raise if anything failed: its own error when it was the only one."""
        if len(self.failures) == 1:
            raise self.failures[0]
        if self.failures:
            raise JobsFailed(
                f"{len(self.failures)} jobs failed",
                evidence="\n".join(failure.what for failure in self.failures),
            )
