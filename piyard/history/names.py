"""Runs by the start of their id, and the shortest start that is unique."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from piyard.errors import WrongInput

TIME = len("20261120T120000")
"""An id begins with the time at which the run was started; a shorter start is not readable."""


def full(start: str, runs: Sequence[str]) -> str:
    """The one of the runs (in order) that begins so; raises ``WrongInput`` for none or several."""
    first = bisect_left(runs, start)
    if runs[first : first + 1] == [start]:
        return start
    matches = [run for run in runs[first : first + 2] if run.startswith(start)]
    if not start or not matches:
        raise WrongInput(f"no stored result is named '{start}'", remedy="invoke history lists them")
    if len(matches) > 1:
        raise WrongInput(
            f"several results begin with '{start}'",
            evidence="\n".join(matches),
            remedy="write more of the id",
        )
    return matches[0]


def short(run: str, runs: Sequence[str]) -> str:
    """The shortest start of its id that is unique among the runs (in order), at least its time."""
    at = bisect_left(runs, run)
    beside = (*runs[max(0, at - 1) : at], *runs[at + 1 : at + 2])
    return run[: max([TIME, *(_alike(run, other) + 1 for other in beside)])]


def _alike(a: str, b: str) -> int:
    """The length of the common prefix."""
    for at, (letter, other) in enumerate(zip(a, b, strict=False)):
        if letter != other:
            return at
    return min(len(a), len(b))
