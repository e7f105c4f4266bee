"""What was measured before: results kept as files, an index over them, and how they compare.

The files are the truth (shelf.py); the index only spares reading them all, and is made again from
them whenever it is missing, damaged or of another make (index.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from piyard import say
from piyard.history import entry, index
from piyard.history.catalogue import Catalogue
from piyard.history.filters import Filters as Filters
from piyard.row import Row

if TYPE_CHECKING:
    from piyard.result import Result

A = TypeVar("A")
EVERY = Filters()
SAID = 10
"""Up to so many files that do not load are named, the others counted."""


def rows(filters: Filters = EVERY) -> list[Row]:
    """The stored results that pass, oldest first; notes name those that do not load."""
    return ask(lambda catalogue: catalogue.rows(filters))


def ask(question: index.Question[A], *, rebuild: bool = False) -> A:
    """The answer of an up-to-date index; notes name what does not load."""

    def both(catalogue: Catalogue) -> tuple[A, list[str]]:
        return question(catalogue), catalogue.problems()

    answer, all_problems = index.ask(both, rebuild=rebuild)
    problems = [problem for problem in all_problems if problem != entry.NO_RESULT]
    if lost := len(all_problems) - len(problems):
        many = (
            "1 run that failed or was cancelled has"
            if lost == 1
            else (f"{lost} runs that failed or were cancelled have")
        )
        say.note(f"{many} no result: invoke runs lists them, runs --remove failed removes them")
    for problem in problems[:SAID]:
        say.note(f"left out: {problem}")
    if len(problems) > SAID:
        say.note(f"left out: {len(problems) - SAID} more")
    return answer


def newest(of: Sequence[Row]) -> list[Row]:
    """The last row of each job, in the order the jobs first appeared."""
    return list({row.job: row for row in of}.values())


def results(runs: Sequence[str]) -> Iterator[Result]:
    """The results of runs, read lazily; raises ``UnreadableLog``."""
    from piyard.history import shelf

    return (shelf.load(run) for run in runs)
