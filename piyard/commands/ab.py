"""The task that measures two builds in turns on one board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from piyard import fanout, pipeline, say, wanted
from piyard.bench import bench_one
from piyard.board import Line
from piyard.cli.board_requests import AbRequest
from piyard.commands import work
from piyard.comparison import builds, compared, contest, notes, table, turns
from piyard.comparison.compared import Compared
from piyard.comparison.turns import ORDER, Turn, Which
from piyard.errors import WrongInput
from piyard.job import Job
from piyard.outcome import Outcomes
from piyard.result import Result
from piyard.seat import Ready, Seat
from piyard.stats.compare import FEWEST

CONFIRMED = "this was measured twice, in turns: look at what changed between the builds"


def ab(request: AbRequest) -> None:
    """Measure, print what became of each job from A to B.

    With ``fail_above`` raises ``SlowerThanAllowed`` when a job is slower by more than that, and
    stays so when it is measured again.
    """
    keys: dict[Which, str] = {
        "A": builds.key_of("a", request.a),
        "B": builds.key_of("b", request.b),
    }
    line = _line(request)
    try:
        jobs = _jobs(line, request)
        if request.dry_run:
            _print_plan(jobs, keys, request)
            return
        outcomes = _measured(line, jobs, keys, request)
    finally:
        line.close()
    _conclude(outcomes, request)


def _line(request: AbRequest) -> Line:
    lines = wanted.named_or_emulated(request).lines()
    if len(lines) != 1:
        raise WrongInput(
            f"{len(lines)} boards are named, and two builds are compared on one",
            evidence="\n".join(line.name for line in lines),
            remedy="name one --host",
        )
    return lines[0]


def _jobs(line: Line, request: AbRequest) -> list[Job]:
    _, unusable = pipeline.identify([line], dry_run=request.dry_run)
    for error in unusable.values():
        raise error
    if line.spec.emulated and request.loops is None and not request.budget:
        # A benchmark there is content with fewer, which show nothing.
        request = request.replace(loops=FEWEST)
    return work.jobs_of(request, [line])


def _measured(
    line: Line, jobs: Sequence[Job], keys: Mapping[Which, str], request: AbRequest
) -> Outcomes[Job, Compared]:
    """Both builds are on the board throughout, and the board stays ours until the last job."""
    ready = _ready(line, jobs, keys, request)
    options = wanted.run_options(request)

    def compare(at: Line, job: Job) -> Compared:
        def measure(turn: Turn) -> Result:
            say.note(turn.text(ready[turn.side].of(job)[0].key))
            return bench_one(Seat(line=at, job=job, ready=ready[turn.side], terms=options))

        return contest.contest(job, measure, rounds=request.rounds, limit=request.fail_above)

    return fanout.each([line], jobs, compare, group_of_job=lambda job: job.host)


def _ready(
    line: Line, jobs: Sequence[Job], keys: Mapping[Which, str], request: AbRequest
) -> dict[Which, Ready]:
    loaded = {which: builds.load(key, line.target_name) for which, key in keys.items()}
    if loaded["A"].key == loaded["B"].key:
        say.note(f"A and B are the same build {loaded['A'].key}: what differs is chance")
    computed = dict.fromkeys((job.model, job.precision) for job in jobs)
    conversions = pipeline.convert_all(computed, random_weights=request.random_weights)
    return {
        which: Ready(builds={line.target_name: build}, conversions=conversions)
        for which, build in loaded.items()
    }


def _print_plan(jobs: Sequence[Job], keys: Mapping[Which, str], request: AbRequest) -> None:
    for job in jobs:
        for turn in turns.plan(job, request.rounds):
            print(f"ab: {turn.text(keys[turn.side])}, on {job.host} ({job.target})")
    if request.fail_above is not None:
        print(
            f"ab: {len(ORDER)} more runs of each job that is slower by more than "
            f"{100 * request.fail_above:g} %"
        )


def _conclude(outcomes: Outcomes[Job, Compared], request: AbRequest) -> None:
    comparisons, limit = outcomes.results, request.fail_above
    if comparisons:
        notes.differences([each for job in comparisons for each in job.differences])
        notes.rows([row for job in comparisons for row in (*job.a, *job.b)])
        print(table.render(comparisons, request.format, limit))
    compared.require_fast(comparisons, limit, CONFIRMED)
    outcomes.require_all()
