"""Tasks that work on boards: deploy, benchmark; in parallel, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TypeVar

import msgspec

from piyard import bench as measure
from piyard import cost, derive, failed, fanout, pipeline, report, say, wanted, work
from piyard.board import Line
from piyard.cli.board_requests import BenchRequest, DeployRequest
from piyard.cli.flags import WorkRequest
from piyard.deploy import Deployed
from piyard.errors import JobsFailed, NothingValid, PiyardError
from piyard.failed import Failed
from piyard.job import Job
from piyard.outcome import Outcomes
from piyard.result import Result
from piyard.seat import Ready, Seat
from piyard.verdict import believable
from piyard.wanted import Boards

AGAIN = "--retry-failed repeats only those"
REPEATABLE = {"deploy", "bench"}
J = TypeVar("J")
R = TypeVar("R")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done where."""

    verb: str
    request: WorkRequest
    """As it was made, but of a repetition as it was made the first time."""
    boards: Boards
    """All that are meant."""
    usable: Sequence[Line]
    unusable: Mapping[str, PiyardError]
    """What is wrong with the others."""
    jobs: Sequence[Job]

    def print(self, verb: str = "") -> None:
        """Say what would be done."""
        for job in self.jobs:
            what = f"{job.model} {job.precision}, {job.threads} threads"
            any_of = f"any {job.target} of {', '.join(self.boards.names)}"
            where = any_of if self.request.spread else job.host
            print(f"{verb or self.verb}: {what}, on {where} ({job.target})")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """All that one board is to have."""

    host: str
    jobs: Sequence[Job]


def deploy(request: DeployRequest) -> None:
    """Put nnrun and the models on each board."""
    with planned(request, "deploy") as plan:
        if request.dry_run:
            plan.print()
            return
        ready = pipeline.prepare(
            plan.jobs, random_weights=plan.request.random_weights, force=request.force
        )
        options = wanted.run_options(request)
        grouped = groupby(plan.jobs, key=lambda job: job.host)
        deliveries = [Delivery(host=host, jobs=list(jobs)) for host, jobs in grouped]

        def deliver(line: Line, delivery: Delivery) -> Deployed:
            of_model = {job.model: ready.release_of(job) for job in delivery.jobs}
            releases = list(of_model.values())
            return work.put(line, releases, ready.of(delivery.jobs[0])[0], options)

        outcomes = fanout.each(
            plan.usable,
            deliveries,
            deliver,
            group_of_job=lambda delivery: delivery.host,
            title=lambda delivery: f"deploy to {delivery.host}",
            parallel=request.parallel,
        )
    conclude(outcomes, plan, [job for each in outcomes.unfinished_jobs for job in each.jobs])


def bench(request: BenchRequest, *, or_random: bool) -> None:
    """Build, convert, deploy and measure; then the table."""
    price = cost.price_kwh(request.price_kwh)
    with planned(request, "bench") as plan:
        if request.dry_run:
            plan.print()
            return
        ready = pipeline.prepare(
            plan.jobs,
            random_weights=plan.request.random_weights,
            or_random=or_random,
            force=request.force,
            alone=True,
        )
        outcomes = each(plan, ready, measure.bench_one)
    results = outcomes.results
    if results:
        rows = [cost.priced(derive.row(result), price) for result in results]
        print(report.render(rows, request.format, results, long=request.long))
    conclude(outcomes, plan, outcomes.unfinished_jobs)
    require_believable(results)


def require_believable(results: Sequence[Result]) -> None:
    """Raise ``NothingValid`` when there are results, and all are INVALID."""
    if results and not any(believable(each.verdict) for each in results):
        raise NothingValid(
            "the row is INVALID" if len(results) == 1 else f"all {len(results)} rows are INVALID",
            remedy="the comment says why; --rerun-invalid 2 cools down and measures again",
        )


@contextmanager
def planned(request: WorkRequest, verb: str, *, boards: Boards | None = None) -> Iterator[Plan]:
    """What is to be done on the boards that answer; without ``boards`` those of the request."""
    failure = failed.recall(verb) if request.retry_failed else None
    if failure:
        request = _as_before(request, failure)
    if boards is None:
        boards = wanted.named_boards(request) if failure else wanted.named_or_emulated(request)
    lines = boards.lines()
    try:
        usable, unusable = pipeline.identify(
            lines, parallel=boards.parallel, dry_run=request.dry_run
        )
        if not usable:
            if not request.dry_run:
                _remember(verb, request, boards, [], [line.name for line in lines])
            _raise(unusable, "no board can be used")
        yield Plan(
            verb=verb,
            request=request,
            boards=boards,
            usable=usable,
            unusable=unusable,
            jobs=_jobs(request, usable, failure),
        )
        if request.dry_run and unusable:
            _raise(unusable, f"{len(unusable)} of {len(lines)} boards cannot be used")
    finally:
        for line in lines:
            line.close()


def _as_before(request: WorkRequest, failure: Failed) -> WorkRequest:
    """The same as last time, on the boards that still have something to do."""
    return request.replace(
        hosts=tuple(failure.hosts),
        all=False,
        target=failure.target,
        models=tuple(failure.models),
        precisions=tuple(failure.precisions),
        threads=tuple(failure.threads),
        loops=failure.bench.get("loops"),
        budget=failure.bench.get("budget_s"),
        warmup=failure.bench.get("warmup"),
        random_weights=failure.random_weights,
    )


def _jobs(request: WorkRequest, lines: Sequence[Line], failure: Failed | None) -> list[Job]:
    if failure is None:
        return jobs_of(request, _one_of_each(lines) if request.spread else lines)
    answering = {line.name: line for line in lines}
    unplanned = [answering[name] for name in failure.boards if name in answering]
    failed_jobs = [job for job in failure.jobs if job.host in answering]
    return failed_jobs + (jobs_of(request, unplanned) if unplanned else [])


def jobs_of(request: WorkRequest, lines: Sequence[Line]) -> list[Job]:
    """The jobs that a request means for these boards."""
    return pipeline.plan(
        lines,
        request.models,
        precisions=request.precisions,
        threads=request.threads,
        **wanted.duration(request),
    )


def _one_of_each(lines: Sequence[Line]) -> list[Line]:
    """The first board of each kind stands for all equal ones."""
    return list({_kind(line): line for line in reversed(lines)}.values())


def each(plan: Plan, ready: Ready, do: Callable[[Seat], R]) -> Outcomes[Job, R]:
    """Every job on its board; with ``--spread`` on whichever equal board is free."""
    options = wanted.run_options(plan.request)

    def at(line: Line, job: Job) -> R:
        there = msgspec.structs.replace(job, host=line.name)
        return do(Seat(line=line, job=there, ready=ready, terms=options))

    spread = plan.request.spread
    groups = {line.name: _kind(line) if spread else line.name for line in plan.usable}
    return fanout.each(
        plan.usable,
        plan.jobs,
        at,
        group_of_job=lambda job: groups[job.host],
        group_of_line=lambda line: groups[line.name],
        title=lambda job: job.title,
        parallel=plan.boards.parallel,
    )


def _kind(line: Line) -> str:
    """Equal boards have the same; an emulated one equals no real one."""
    return f"{line.target_name} {'emulated' if line.emulated else 'real'}"


def conclude(outcomes: Outcomes[J, R], plan: Plan, undone: Sequence[Job]) -> None:
    """Keep what failed for ``--retry-failed``, and raise it."""
    for error in plan.unusable.values():
        outcomes.also_failed(error)
    _remember(plan.verb, plan.request, plan.boards, undone, list(plan.unusable))
    if len(plan.boards.names) > 1:
        say.note(f"{len(plan.boards.names)} boards: {outcomes.summary}")
    outcomes.require_all(AGAIN if plan.verb in REPEATABLE else "")


def _remember(
    verb: str, request: WorkRequest, boards: Boards, undone: Sequence[Job], silent: Sequence[str]
) -> None:
    """Keep what is left; of a board that is silent again only what failed there before."""
    waiting = failed.recall(verb).jobs_of(silent) if request.retry_failed else []
    planned_boards = {job.host for job in waiting}
    failed.remember(
        verb,
        Failed(
            jobs=[*undone, *waiting],
            boards=[name for name in silent if name not in planned_boards],
            models=request.models,
            precisions=request.precisions,
            threads=request.threads,
            bench=wanted.duration(request),
            random_weights=request.random_weights,
            target=boards.target,
        ),
    )


def _raise(unusable: Mapping[str, PiyardError], what: str) -> None:
    errors = list(unusable.values())
    if len(errors) == 1:
        raise errors[0]
    raise JobsFailed(what, evidence="\n".join(error.what for error in errors))
