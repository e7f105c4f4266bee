"""Deploying to boards and benchmarking them, in parallel, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from piyard.board.connection import BoardConnection
from piyard.cli.board_requests import BenchRequest, DeployRequest
from piyard.cli.job_plan import conclude, plan_work, run_jobs, run_options
from piyard.core.errors import NothingValid
from piyard.measure import bench as benchmarking
from piyard.report.formats import render_rows
from piyard.results.derive import make_row, parse_kwh_price, with_energy_cost
from piyard.results.judge import is_believable
from piyard.results.result import Result
from piyard.run import execute
from piyard.run.deploy import Deployed
from piyard.run.job import Job, JobContext
from piyard.run.plan import prepare_jobs
from piyard.run.schedule import run_on_boards


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs whose files one board needs."""

    host: str
    jobs: Sequence[Job]


def deploy_to_boards(request: DeployRequest) -> None:
    """Put nnrun and the models on each board."""
    with plan_work(request, "deploy") as plan:
        if request.dry_run:
            plan.print()
            return
        prepared = prepare_jobs(
            plan.jobs, random_weights=plan.request.random_weights, force=request.force
        )
        options = run_options(request)
        grouped = groupby(plan.jobs, key=lambda job: job.host)
        deliveries = [Delivery(host=host, jobs=list(jobs)) for host, jobs in grouped]

        def deliver(connection: BoardConnection, delivery: Delivery) -> Deployed:
            of_model = {job.model.name: prepared.release_of(job) for job in delivery.jobs}
            context = JobContext(
                connection=connection, job=delivery.jobs[0], prepared=prepared, options=options
            )
            return execute.deploy_and_hold(context, list(of_model.values()))

        outcomes = run_on_boards(
            plan.usable,
            deliveries,
            deliver,
            group_of_job=lambda delivery: delivery.host,
            title=lambda delivery: f"deploy to {delivery.host}",
            parallel=request.parallel,
        )
    conclude(outcomes, plan, [job for each in outcomes.unfinished_jobs for job in each.jobs])


def measure_models(request: BenchRequest, *, or_random: bool) -> None:
    """Build, convert, deploy and measure; then the table."""
    price = parse_kwh_price(request.price_kwh)
    with plan_work(request, "bench") as plan:
        if request.dry_run:
            plan.print()
            return
        prepared = prepare_jobs(
            plan.jobs,
            random_weights=plan.request.random_weights,
            or_random=or_random,
            force=request.force,
            alone=True,
        )
        outcomes = run_jobs(plan, prepared, benchmarking.run_benchmark)
    results = outcomes.results
    if results:
        rows = [with_energy_cost(make_row(result), price) for result in results]
        print(render_rows(rows, request.format, results, long=request.long))
    conclude(outcomes, plan, outcomes.unfinished_jobs)
    require_believable(results)


def require_believable(results: Sequence[Result]) -> None:
    """Raise ``NothingValid`` when there are results, and all are INVALID."""
    if results and not any(is_believable(each.verdict) for each in results):
        raise NothingValid(
            "the row is INVALID" if len(results) == 1 else f"all {len(results)} rows are INVALID",
            remedy="the comment says why; --rerun-invalid 2 cools down and measures again",
        )
