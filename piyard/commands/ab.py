"""The task that measures two builds in turns on one board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from piyard import bench, fanout, options, pipeline, say
from piyard import wanted as asked_for
from piyard.board import Line
from piyard.comparison import builds, compared, contest, notes, table, turns
from piyard.comparison.compared import Compared
from piyard.comparison.turns import ORDER, Turn, Which
from piyard.errors import WrongInput
from piyard.job import Job
from piyard.outcome import Outcomes
from piyard.result import Result
from piyard.seat import Ready, Seat
from piyard.stats.compare import FEWEST
from piyard.wanted import Wanted

CONFIRMED = "this was measured twice, in turns: look at what changed between the builds"


def ab(asked: Mapping[str, Any]) -> None:
    """Measure, print what became of each job from A to B.

    With ``fail_above`` raises ``SlowerThanAllowed`` when a job is slower by more than that, and
    stays so when it is measured again.
    """
    wanted = asked_for.parse(asked)
    limit = options.percent("fail-above", asked["fail_above"])
    rounds = options.whole("rounds", asked["rounds"]) or 1
    keys: dict[Which, str] = {
        "A": builds.key_of("a", asked["a"]),
        "B": builds.key_of("b", asked["b"]),
    }
    line = _line(wanted)
    try:
        jobs = _jobs(line, wanted)
        if wanted.dry_run:
            _print_plan(jobs, keys, rounds, limit)
            return
        outcomes = _measured(line, jobs, keys, wanted, rounds=rounds, limit=limit)
    finally:
        line.close()
    _conclude(outcomes, wanted.form, limit)


def _line(wanted: Wanted) -> Line:
    lines = wanted.boards.lines()
    if len(lines) != 1:
        raise WrongInput(
            f"{len(lines)} boards are named, and two builds are compared on one",
            evidence="\n".join(line.name for line in lines),
            remedy="name one --host",
        )
    return lines[0]


def _jobs(line: Line, wanted: Wanted) -> list[Job]:
    _, wrong = pipeline.identify([line], dry_run=wanted.dry_run)
    for error in wrong.values():
        raise error
    asked = {"precisions": wanted.precisions, "threads": wanted.threads, **wanted.bench}
    if line.spec.emulated and asked["loops"] is None:
        asked["loops"] = FEWEST  # a benchmark there is content with fewer, which show nothing
    return pipeline.plan([line], wanted.models, **asked)


def _measured(
    line: Line,
    jobs: Sequence[Job],
    keys: Mapping[Which, str],
    wanted: Wanted,
    *,
    rounds: int,
    limit: float | None,
) -> Outcomes[Job, Compared]:
    """Both builds are on the board throughout, and the board stays ours until the last job."""
    ready = _ready(line, jobs, keys, wanted)

    def compare(at: Line, job: Job) -> Compared:
        def measure(turn: Turn) -> Result:
            say.note(turn.text(ready[turn.side].of(job)[0].key))
            seat = Seat(line=at, job=job, ready=ready[turn.side], terms=wanted.terms)
            return bench.bench_one(seat)

        return contest.contest(job, measure, rounds=rounds, limit=limit)

    return fanout.each([line], jobs, compare, group_of_job=lambda job: job.host)


def _ready(
    line: Line, jobs: Sequence[Job], keys: Mapping[Which, str], wanted: Wanted
) -> dict[Which, Ready]:
    made = {which: builds.load(key, line.target_name) for which, key in keys.items()}
    if made["A"].key == made["B"].key:
        say.note(f"A and B are the same build {made['A'].key}: what differs is chance")
    computed = dict.fromkeys((job.model, job.precision) for job in jobs)
    conversions = pipeline.convert_all(computed, random_weights=wanted.random_weights)
    return {
        which: Ready(builds={line.target_name: build}, conversions=conversions)
        for which, build in made.items()
    }


def _print_plan(
    jobs: Sequence[Job], keys: Mapping[Which, str], rounds: int, limit: float | None
) -> None:
    for job in jobs:
        for turn in turns.plan(job, rounds):
            print(f"ab: {turn.text(keys[turn.side])}, on {job.host} ({job.target})")
    if limit is not None:
        print(
            f"ab: {len(ORDER)} more runs of each job that is slower by more than {100 * limit:g} %"
        )


def _conclude(outcomes: Outcomes[Job, Compared], form: str, limit: float | None) -> None:
    if found := outcomes.results:
        notes.differences([difference for one in found for difference in one.differences])
        notes.rows([row for one in found for row in (*one.a, *one.b)])
        print(table.render(found, form, limit))
    compared.require_fast(found, limit, CONFIRMED)
    outcomes.require_all()
