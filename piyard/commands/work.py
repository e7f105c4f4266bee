"""Tasks that work on boards: deploy, benchmark; in parallel, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TypeVar

import msgspec

from piyard import bench as measure
from piyard import cost, failed, fanout, pipeline, report, row, say, work
from piyard.board import Line
from piyard.deploy import Deployed
from piyard.errors import JobsFailed, NothingValid, PiyardError
from piyard.failed import Failed
from piyard.job import Job
from piyard.outcome import Outcomes
from piyard.result import Result
from piyard.seat import Ready, Seat
from piyard.verdict import believable
from piyard.wanted import Wanted

AGAIN = "--retry-failed repeats only those"
REPEATABLE = {"deploy", "bench"}
J = TypeVar("J")
R = TypeVar("R")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """All that one board is to have."""

    host: str
    jobs: Sequence[Job]


def deploy(asked: Wanted) -> None:
    """Put nnrun and the models on each board."""
    with planned(asked, "deploy") as (wanted, lines, jobs, wrong):
        if wanted.dry_run:
            print_plan(wanted, jobs, "deploy")
            return
        ready = pipeline.prepare(jobs, random_weights=wanted.random_weights, force=wanted.force)
        grouped = groupby(jobs, key=lambda one: one.host)
        parcels = [Delivery(host=host, jobs=list(of_host)) for host, of_host in grouped]

        def deliver(line: Line, parcel: Delivery) -> Deployed:
            of_model = {one.model: ready.release_of(one) for one in parcel.jobs}
            releases = list(of_model.values())
            return work.put(line, releases, ready.of(parcel.jobs[0])[0], wanted.terms)

        outcomes = fanout.each(
            lines,
            parcels,
            deliver,
            group_of_job=lambda one: one.host,
            title=lambda parcel: f"deploy to {parcel.host}",
            parallel=wanted.boards.parallel,
        )
    undone = [one for parcel in outcomes.unfinished_jobs for one in parcel.jobs]
    conclude(outcomes, "deploy", undone, wrong, wanted)


def bench(asked: Wanted, *, or_random: bool) -> None:
    """Build, convert, deploy and measure; then the table."""
    with planned(asked, "bench") as (wanted, lines, jobs, wrong):
        if wanted.dry_run:
            print_plan(wanted, jobs, "bench")
            return
        ready = pipeline.prepare(
            jobs,
            random_weights=wanted.random_weights,
            or_random=or_random,
            force=wanted.force,
            alone=True,
        )
        outcomes = each(wanted, lines, jobs, ready, measure.bench_one)
    if outcomes.results:
        print(_table(outcomes.results, wanted))
    conclude(outcomes, "bench", outcomes.unfinished_jobs, wrong, wanted)
    require_believable(outcomes.results)


def require_believable(results: Sequence[Result]) -> None:
    """Raise ``NothingValid`` when there are results, and all are INVALID."""
    if results and not any(believable(each.verdict) for each in results):
        raise NothingValid(
            "the row is INVALID" if len(results) == 1 else f"all {len(results)} rows are INVALID",
            remedy="the comment says why; --rerun-invalid 2 cools down and measures again",
        )


def _table(results: Sequence[Result], wanted: Wanted) -> str:
    rows = [cost.priced(row.of(one), wanted.price_kwh) for one in results]
    return report.render(rows, wanted.form, results, long=wanted.long)


@contextmanager
def planned(
    asked: Wanted, verb: str
) -> Iterator[tuple[Wanted, list[Line], list[Job], dict[str, PiyardError]]]:
    """What is wanted, the boards that answer, their jobs, and what is wrong with the others."""
    before = failed.recall(verb) if asked.retry_failed else None
    wanted = _as_before(asked, before) if before else asked
    lines = wanted.boards.lines()
    try:
        parallel, dry_run = wanted.boards.parallel, wanted.dry_run
        usable, wrong = pipeline.identify(lines, parallel=parallel, dry_run=dry_run)
        if not usable:
            if not dry_run:
                _remember(verb, [], [line.name for line in lines], wanted)
            _raise(wrong, "no board can be used")
        yield wanted, usable, _jobs(wanted, usable, before), wrong
        if dry_run and wrong:
            _raise(wrong, f"{len(wrong)} of {len(lines)} boards cannot be used")
    finally:
        for line in lines:
            line.close()


def _as_before(asked: Wanted, before: Failed) -> Wanted:
    """The same as last time, on the boards that still have something to do."""
    return msgspec.structs.replace(
        asked,
        boards=msgspec.structs.replace(asked.boards, names=before.hosts, target=before.target),
        models=before.models,
        precisions=before.precisions,
        threads=before.threads,
        bench=before.bench,
        random_weights=before.random_weights,
    )


def _jobs(wanted: Wanted, lines: Sequence[Line], before: Failed | None) -> list[Job]:
    if before is None:
        return _plan(wanted, _one_of_each(lines) if wanted.spread else lines)
    answering = {line.name: line for line in lines}
    unplanned = [answering[name] for name in before.boards if name in answering]
    failed_jobs = [one for one in before.jobs if one.host in answering]
    return failed_jobs + (_plan(wanted, unplanned) if unplanned else [])


def _plan(wanted: Wanted, lines: Sequence[Line]) -> list[Job]:
    asked = {"precisions": wanted.precisions, "threads": wanted.threads, **wanted.bench}
    return pipeline.plan(lines, wanted.models, **asked)


def _one_of_each(lines: Sequence[Line]) -> list[Line]:
    """The first board of each kind stands for all equal ones."""
    return list({_kind(line): line for line in reversed(lines)}.values())


def each(
    wanted: Wanted,
    lines: Sequence[Line],
    jobs: Sequence[Job],
    ready: Ready,
    do: Callable[[Seat], R],
) -> Outcomes[Job, R]:
    """Every job on its board; with ``--spread`` on whichever equal board is free."""

    def at(line: Line, one: Job) -> R:
        there = msgspec.structs.replace(one, host=line.name)
        return do(Seat(line=line, job=there, ready=ready, terms=wanted.terms))

    kinds = {line.name: _kind(line) if wanted.spread else line.name for line in lines}
    return fanout.each(
        lines,
        jobs,
        at,
        group_of_job=lambda one: kinds[one.host],
        group_of_line=lambda line: kinds[line.name],
        title=lambda one: one.title,
        parallel=wanted.boards.parallel,
    )


def _kind(line: Line) -> str:
    """Equal boards have the same; an emulated one equals no real one."""
    return f"{line.target_name} {'emulated' if line.emulated else 'real'}"


def conclude(
    outcomes: Outcomes[J, R],
    verb: str,
    undone: Sequence[Job],
    wrong: Mapping[str, PiyardError],
    wanted: Wanted,
) -> None:
    for error in wrong.values():
        outcomes.also_failed(error)
    _remember(verb, undone, list(wrong), wanted)
    if len(wanted.boards.names) > 1:
        say.note(f"{len(wanted.boards.names)} boards: {outcomes.summary}")
    outcomes.require_all(AGAIN if verb in REPEATABLE else "")


def _remember(verb: str, undone: Sequence[Job], boards: Sequence[str], wanted: Wanted) -> None:
    """Keep what is left; of a board that is silent again only what failed there before."""
    waiting = failed.recall(verb).jobs_of(boards) if wanted.retry_failed else []
    planned_boards = {each.host for each in waiting}
    failed.remember(
        verb,
        Failed(
            jobs=[*undone, *waiting],
            boards=[name for name in boards if name not in planned_boards],
            models=wanted.models,
            precisions=wanted.precisions,
            threads=wanted.threads,
            bench=wanted.bench,
            random_weights=wanted.random_weights,
            target=wanted.boards.target,
        ),
    )


def _raise(wrong: Mapping[str, PiyardError], what: str) -> None:
    errors = list(wrong.values())
    if len(errors) == 1:
        raise errors[0]
    raise JobsFailed(what, evidence="\n".join(error.what for error in errors))


def print_plan(wanted: Wanted, jobs: Sequence[Job], verb: str) -> None:
    for one in jobs:
        what = f"{one.model} {one.precision}, {one.threads} threads"
        where = (
            f"any {one.target} of {', '.join(wanted.boards.names)}" if wanted.spread else one.host
        )
        print(f"{verb}: {what}, on {where} ({one.target})")
