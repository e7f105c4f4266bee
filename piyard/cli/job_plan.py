"""The plan that all tasks on boards share: which jobs, where, and what is left to do again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from piyard.board.connection import BoardConnection
from piyard.cli.base_requests import WorkRequest
from piyard.cli.boards import Boards, named_boards, named_or_emulated
from piyard.cli.own_models import load_or_add
from piyard.core import console
from piyard.core.errors import JobsFailed, PiyardError
from piyard.models.definition import Model
from piyard.run import plan
from piyard.run.job import PMIC, BenchDuration, Job, JobContext, Prepared, RunOptions
from piyard.run.outcomes import JobOutcomes, RetryState, load_retry_state, save_retry_state
from piyard.run.plan import identify_boards
from piyard.run.schedule import RUNS_GO_ON, run_on_boards


def run_options(request: WorkRequest) -> RunOptions:
    """The options of a request's runs."""
    return RunOptions(
        limit_s=request.limit or 0,
        link_limit=request.link_limit or 0,
        retry=request.retry,
        governor=request.governor,
        rerun_invalid=request.rerun_invalid,
        energy=request.meter or (PMIC if request.energy else ""),
        picture=request.picture,
    )


def bench_duration(request: WorkRequest) -> BenchDuration:
    """The length of a request's benchmark; None keeps the default."""
    loops = 0 if request.budget else request.loops
    return BenchDuration(loops=loops, budget_s=request.budget, warmup=request.warmup)


RETRY_HINT = "--retry-failed repeats only those"
REPEATABLE = {"deploy", "bench"}
J = TypeVar("J")
R = TypeVar("R")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of a command, and their boards."""

    verb: str
    request: WorkRequest
    """For ``--retry-failed`` the options of the failed command."""
    boards: Boards
    """All selected boards."""
    usable: Sequence[BoardConnection]
    unusable: Mapping[str, PiyardError]
    """The errors of the others, by name."""
    jobs: Sequence[Job]

    def print(self, verb: str = "") -> None:
        """Print what would be done."""
        for job in self.jobs:
            target = job.board.target.name
            what = f"{job.model.name} {job.precision}, {job.threads} threads"
            any_of = f"any {target} of {', '.join(self.boards.names)}"
            where = any_of if self.request.spread else job.host
            print(f"{verb or self.verb}: {what}, on {where} ({target})")


@contextmanager
def plan_work(
    request: WorkRequest,
    verb: str,
    *,
    boards: Boards | None = None,
    models: Sequence[Model] = (),
) -> Iterator[Plan]:
    """Plan the jobs for the boards that answer.

    Without ``boards`` or ``models``, those that the request names are looked up.
    """
    failure = load_retry_state(verb) if request.retry_failed else None
    if failure:
        request = _previous_request(request, failure)
    if boards is None:
        boards = named_boards(request) if failure else named_or_emulated(request)
    models = models or load_or_add(request.models, dry_run=request.dry_run)
    request = request.replace(models=tuple(model.name for model in models))
    connections = boards.connections()
    try:
        usable, unusable = identify_boards(
            connections, parallel=boards.parallel, dry_run=request.dry_run
        )
        if not usable:
            if not request.dry_run:
                _remember(verb, request, boards, [], [each.name for each in connections])
            _raise_unusable(unusable, "no board can be used")
        jobs = _jobs(request, usable, models, failure)
        yield Plan(
            verb=verb, request=request, boards=boards, usable=usable, unusable=unusable, jobs=jobs
        )
        if request.dry_run and unusable:
            count = f"{len(unusable)} of {len(connections)}"
            _raise_unusable(unusable, f"{count} boards cannot be used")
    finally:
        for connection in connections:
            connection.close()


def _previous_request(request: WorkRequest, failure: RetryState) -> WorkRequest:
    """The failed command's options, for the boards that still have jobs to do."""
    return request.replace(
        hosts=tuple(failure.hosts),
        all=False,
        target=failure.target,
        models=tuple(failure.models),
        precisions=tuple(failure.precisions),
        threads=tuple(failure.threads),
        loops=failure.bench.loops,
        budget=failure.bench.budget_s,
        warmup=failure.bench.warmup,
        random_weights=failure.random_weights,
    )


def _jobs(
    request: WorkRequest,
    connections: Sequence[BoardConnection],
    models: Sequence[Model],
    failure: RetryState | None,
) -> list[Job]:
    if failure is None:
        planned = _one_of_each(connections) if request.spread else connections
        return plan_jobs(request, planned, models)
    answering = {connection.name: connection for connection in connections}
    unplanned = [answering[name] for name in failure.boards if name in answering]
    failed_jobs = [job for job in failure.jobs if job.host in answering]
    repeated = plan.restore_jobs(failed_jobs, connections, models)
    return repeated + (plan_jobs(request, unplanned, models) if unplanned else [])


def plan_jobs(
    request: WorkRequest, connections: Sequence[BoardConnection], models: Sequence[Model]
) -> list[Job]:
    """The jobs of a request on these boards."""
    return plan.plan_jobs(
        connections,
        models,
        precisions=request.precisions,
        threads=request.threads,
        bench=bench_duration(request),
    )


def _one_of_each(connections: Sequence[BoardConnection]) -> list[BoardConnection]:
    """One board of each group of equal ones."""
    return list({each.spec.equality_group: each for each in reversed(connections)}.values())


def run_jobs(
    plan: Plan,
    prepared: Prepared,
    do: Callable[[JobContext], R],
    *,
    stopping: str = RUNS_GO_ON,
) -> JobOutcomes[Job, R]:
    """Run every job on its board, or with ``--spread`` on any equal board that is free."""
    options = run_options(plan.request)

    def at(connection: BoardConnection, job: Job) -> R:
        there = msgspec.structs.replace(job, board=connection.spec)
        return do(JobContext(connection=connection, job=there, prepared=prepared, options=options))

    spread = plan.request.spread
    usable = plan.usable
    groups = {each.name: each.spec.equality_group if spread else each.name for each in usable}
    return run_on_boards(
        plan.usable,
        plan.jobs,
        at,
        group_of_job=lambda job: groups[job.host],
        group_of_board=lambda connection: groups[connection.name],
        title=lambda job: job.title,
        parallel=plan.boards.parallel,
        stopping=stopping,
    )


def conclude(outcomes: JobOutcomes[J, R], plan: Plan, undone: Sequence[Job]) -> None:
    """Save what failed for ``--retry-failed``, and raise it."""
    for error in plan.unusable.values():
        outcomes.also_failed(error)
    _remember(plan.verb, plan.request, plan.boards, undone, list(plan.unusable))
    if len(plan.boards.names) > 1:
        console.info(f"{len(plan.boards.names)} boards: {outcomes.summary}")
    outcomes.require_all(RETRY_HINT if plan.verb in REPEATABLE else "")


def _remember(
    verb: str, request: WorkRequest, boards: Boards, undone: Sequence[Job], silent: Sequence[str]
) -> None:
    """Save what is left to do; for a board that is silent again, only what failed there before."""
    waiting = load_retry_state(verb).jobs_of(silent) if request.retry_failed else []
    planned_boards = {job.host for job in waiting}
    save_retry_state(
        verb,
        RetryState(
            jobs=[*(job.stored for job in undone), *waiting],
            boards=[name for name in silent if name not in planned_boards],
            models=request.models,
            precisions=request.precisions,
            threads=request.threads,
            bench=bench_duration(request),
            random_weights=request.random_weights,
            target=boards.target,
        ),
    )


def _raise_unusable(unusable: Mapping[str, PiyardError], what: str) -> None:
    errors = list(unusable.values())
    if len(errors) == 1:
        raise errors[0]
    raise JobsFailed(what, evidence="\n".join(error.what for error in errors))
