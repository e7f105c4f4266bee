"""Two builds measured in turns on one board, one job: the change of its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from piyard import derive, say
from piyard.comparison import alike, chosen, turns
from piyard.comparison.compared import Compared, effect_text, job_text
from piyard.comparison.turns import Turn
from piyard.errors import JobsFailed, WrongInput
from piyard.job import Job
from piyard.result import Result
from piyard.row import Row
from piyard.stats.runs import compare_runs
from piyard.verdict import believable

Measure = Callable[[Turn], Result]
THE_BUILDS_OWN = frozenset({"build", "options"})
"""What may differ between the runs: both get the same flags, so the options are the build's."""


class Ran(NamedTuple):
    """One run, as it was measured and as it is judged."""

    result: Result
    row: Row


def contest(job: Job, measure: Measure, *, rounds: int, limit: float | None) -> Compared:
    """Measure A-B-B-A so many times, each run by ``measure``, and compare the runs.

    A job that is too slow for the limit is measured in one more A-B-B-A before that counts. It
    stays too slow only when these four runs alone say so and all runs together do too; what is
    returned is of all of them. Runs that are INVALID are left out with the run beside them.
    Raises ``JobsFailed`` when no pair of runs is left, and ``WrongInput`` for builds that compute
    something different.
    """
    first = _pairs(turns.plan(job, rounds), measure)
    compared = _compared(job, first)
    if not compared.too_slow(limit):
        return compared
    say.note(f"{compared.job}: {effect_text(compared.comparison)}; once more before that counts")
    more = _pairs(turns.plan(job, 1, after=rounds * len(turns.ORDER)), measure)
    alone = _compared(job, more)
    together = _compared(job, [*first, *more])
    if alone.too_slow(limit):
        return together
    say.note(f"{compared.job}: not confirmed, now {effect_text(alone.comparison)}")
    return msgspec.structs.replace(together, confirmed=False)


def _pairs(planned: Sequence[Turn], measure: Measure) -> list[tuple[Ran, Ran]]:
    """The pairs of which both runs may be believed."""
    results = [measure(turn) for turn in planned]
    runs = [Ran(result, derive.row(result)) for result in results]
    for run in runs:
        if not believable(run.row.verdict):
            say.note(chosen.why_left_out(run.row))
    return [pair for pair in turns.pairs(runs) if all(believable(run.row.verdict) for run in pair)]


def _compared(job: Job, pairs: Sequence[tuple[Ran, Ran]]) -> Compared:
    if not pairs:
        raise JobsFailed(
            f"{job.slug} on {job.host}: undecided, too many runs are INVALID",
            remedy="fix what each of them reports, and measure again",
        )
    _require_alike([run for pair in pairs for run in pair])
    a, b = ([pair[side] for pair in pairs] for side in (0, 1))
    return Compared(
        job=job_text(a[0].row, b[0].row),
        a=[run.row for run in a],
        b=[run.row for run in b],
        comparison=compare_runs([(x.result.samples_ms, y.result.samples_ms) for x, y in pairs]),
        differences=alike.differences(a[0].result, b[0].result),
    )


def _require_alike(runs: Sequence[Ran]) -> None:
    """The board stayed as it was, and both builds compute the same."""
    for run in runs[1:]:
        forbidden = alike.unlike(alike.differences(runs[0].result, run.result), THE_BUILDS_OWN)
        if forbidden:
            raise WrongInput(
                f"unlike conditions: {runs[0].row.run} and {run.row.run}",
                evidence="\n".join(difference.text for difference in forbidden),
                remedy="builds that compute differently cannot be compared by their time; "
                "a board must stay as it is",
            )
