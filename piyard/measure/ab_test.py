"""Two builds measured in turns on one board, A-B-B-A, so that nothing favours one of them.

What changes evenly on a board, such as its temperature, is in A's disfavour in the first pair and
in B's in the second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeVar

import msgspec

from piyard.build import builder
from piyard.build.builder import BUILD_SHELF, Build
from piyard.core import console, paths
from piyard.core.errors import PROGRAM, JobsFailed, WrongInput, did_you_mean
from piyard.core.store import find_artifact
from piyard.core.target import Target
from piyard.results.comparison import JobComparison, effect_text, job_text
from piyard.results.conditions import find_differences, forbidden_differences
from piyard.results.derive import make_row
from piyard.results.judge import is_believable
from piyard.results.result import Result, Row
from piyard.results.selection import describe_left_out
from piyard.results.significance import compare_runs
from piyard.run.job import Job

CURRENT_BUILD = "current"
BUILD_REMEDY = (
    f"{PROGRAM} build prints the folder of a build, which its key names; or take 'current'"
)


def resolve_build_key(flag: str, text: str) -> str:
    """The whole key, or ``current``; raises ``WrongInput`` for none or several."""
    start = text.strip()
    if start == CURRENT_BUILD:
        return CURRENT_BUILD
    keys = _known_builds()
    matches = [key for key in keys if start and key.startswith(start)]
    if not start:
        raise WrongInput(f"no --{flag}: a build is missing", remedy=BUILD_REMEDY)
    if not matches:
        hint = did_you_mean(start, [*keys, CURRENT_BUILD])
        raise WrongInput(
            f"no build of artifacts/builds is named '{start}'{hint}", remedy=BUILD_REMEDY
        )
    if len(matches) > 1:
        raise WrongInput(
            f"several builds begin with '{start}'",
            evidence="\n".join(matches),
            remedy="write more of the key",
        )
    return matches[0]


def load_build(key: str, target: Target) -> Build:
    """The build of a key for that kind of board; builds what is current.

    Raises ``WrongInput`` for a build that cannot run there, or is not whole.
    """
    if key == CURRENT_BUILD:
        return builder.build_nnrun(target)
    folder = find_artifact(BUILD_SHELF, key)
    if folder is None:
        raise WrongInput(f"build {key} is not whole", remedy="its files were changed or removed")
    loaded = Build(target=target.name, key=key, folder=folder, fresh=False)
    machine = loaded.manifest.elf.machine
    if machine != target.arch:
        raise WrongInput(
            f"build {key} is for {machine}, and {target.name} is {target.arch}",
            remedy=f"{PROGRAM} build --target {target.name} makes one that fits",
        )
    return loaded


def _known_builds() -> list[str]:
    builds = paths.artifacts() / BUILD_SHELF
    if not builds.is_dir():
        return []
    return sorted(f.name for f in builds.iterdir() if f.is_dir() and not f.name.startswith("."))


BuildSide = Literal["A", "B"]
ABBA_ORDER: tuple[BuildSide, ...] = ("A", "B", "B", "A")
ABBA_PAIRS = ((0, 1), (3, 2))
"""Which of four turns belong together, A's first."""
R = TypeVar("R")


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a job with one of the builds."""

    number: int
    """From 1, within the job."""
    of: int
    """How many there are, as far as is known."""
    side: BuildSide
    job: Job

    def text(self, build: str) -> str:
        """For people, with that side's build."""
        job = self.job
        what = f"{job.model.name} {job.precision}, {job.threads} threads"
        return f"{what}: run {self.number} of {self.of}, {self.side} (build {build})"


def plan_turns(job: Job, rounds: int, *, after: int = 0) -> list[Turn]:
    """So many rounds of A-B-B-A of a job, numbered on from the previous ones."""
    sides = ABBA_ORDER * rounds
    return [
        Turn(number=after + at, of=after + len(sides), side=side, job=job)
        for at, side in enumerate(sides, 1)
    ]


def pair_turns(of_turns: Sequence[R]) -> list[tuple[R, R]]:
    """The outcomes of complete A-B-B-A rounds, in their order, as adjacent pairs of A and B."""
    rounds = [
        of_turns[at : at + len(ABBA_ORDER)] for at in range(0, len(of_turns), len(ABBA_ORDER))
    ]
    return [(four[a], four[b]) for four in rounds for a, b in ABBA_PAIRS]


MeasureTurn = Callable[[Turn], Result]
BUILD_CONDITIONS = frozenset({"build", "options"})
"""What may differ between the runs: both get the same flags, so the options are the build's."""


class MeasuredRun(NamedTuple):
    """One run, as it was measured and as it is judged."""

    result: Result
    row: Row


def run_ab_test(
    job: Job, measure: MeasureTurn, *, rounds: int, limit: float | None
) -> JobComparison:
    """Measure A-B-B-A so many times, each run by ``measure``, and compare the runs.

    A job that is too slow for the limit is measured in one more A-B-B-A before that counts. It
    stays too slow only when these four runs alone say so and all runs together do too; what is
    returned is of all of them. Runs that are INVALID are left out with the run beside them.
    Raises ``JobsFailed`` when no pair of runs is left, and ``WrongInput`` for builds that compute
    something different.
    """
    first = _measure_pairs(plan_turns(job, rounds), measure)
    compared = _compare_pairs(job, first)
    if not compared.too_slow(limit):
        return compared
    console.info(
        f"{compared.job}: {effect_text(compared.comparison)}; once more before that counts"
    )
    more = _measure_pairs(plan_turns(job, 1, after=rounds * len(ABBA_ORDER)), measure)
    alone = _compare_pairs(job, more)
    together = _compare_pairs(job, [*first, *more])
    if alone.too_slow(limit):
        return together
    console.info(f"{compared.job}: not confirmed, now {effect_text(alone.comparison)}")
    return msgspec.structs.replace(together, confirmed=False)


def _measure_pairs(
    planned: Sequence[Turn], measure: MeasureTurn
) -> list[tuple[MeasuredRun, MeasuredRun]]:
    """The pairs of which both runs may be believed."""
    results = [measure(turn) for turn in planned]
    runs = [MeasuredRun(result, make_row(result)) for result in results]
    for run in runs:
        if not is_believable(run.row.verdict):
            console.info(describe_left_out(run.row))
    return [
        pair for pair in pair_turns(runs) if all(is_believable(run.row.verdict) for run in pair)
    ]


def _compare_pairs(job: Job, pairs: Sequence[tuple[MeasuredRun, MeasuredRun]]) -> JobComparison:
    if not pairs:
        raise JobsFailed(
            f"{job.slug} on {job.host}: undecided, too many runs are INVALID",
            remedy="fix what each of them reports, and measure again",
        )
    _require_same_conditions([run for pair in pairs for run in pair])
    a, b = ([pair[side] for pair in pairs] for side in (0, 1))
    return JobComparison(
        job=job_text(a[0].row, b[0].row),
        a=[run.row for run in a],
        b=[run.row for run in b],
        comparison=compare_runs([(x.result.samples_ms, y.result.samples_ms) for x, y in pairs]),
        differences=find_differences(a[0].result, b[0].result),
    )


def _require_same_conditions(runs: Sequence[MeasuredRun]) -> None:
    """The board stayed as it was, and both builds compute the same."""
    for run in runs[1:]:
        forbidden = forbidden_differences(
            find_differences(runs[0].result, run.result), BUILD_CONDITIONS
        )
        if forbidden:
            raise WrongInput(
                f"unlike conditions: {runs[0].row.run} and {run.row.run}",
                evidence="\n".join(difference.text for difference in forbidden),
                remedy="builds that compute differently cannot be compared by their time; "
                "a board must stay as it is",
            )
