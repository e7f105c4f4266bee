"""What each task does, in the order a person reads it: decide, say, act, print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piyard import bench as measure
from piyard import (
    board,
    classify,
    convert,
    emulator,
    job,
    options,
    pipeline,
    report,
    result,
    say,
    tables,
)
from piyard import build as builder
from piyard.errors import WrongInput
from piyard.job import Job


def build(target_name: str, source_name: str, *, dry_run: bool) -> None:
    """Build for a target, or say what that would take."""
    if dry_run:
        for line in builder.plan(target_name, source_name):
            print(line)
        return
    made = builder.build(target_name, source_name)
    facts = made.manifest["elf"]
    linked = "static" if facts["static"] else f"needs GLIBC {facts['glibc']}"
    size = made.nnrun.stat().st_size / 1e6
    state = "built" if made.fresh else "nothing changed"
    say.note(f"✓ {target_name}: {state}, build {made.key}, nnrun {size:.1f} MB, {linked}")
    print(made.folder)


def conversions(names: Sequence[str], *, random_weights: bool, dry_run: bool) -> None:
    """Convert models, or say which would be."""
    job.check_names(names)
    for name in names:
        if dry_run:
            print(f"convert {name}, or find it converted")
            continue
        made = convert.convert(name, random_weights=random_weights)
        proved = "converted and proved" if made.made else "nothing changed"
        say.note(
            f"✓ {name}: {proved}, {_weights(made)}, {made.manifest['params'] / 1e6:.2f} M params"
        )
        print(made.folder)


def deploy(
    hosts: Sequence[str],
    models: Sequence[str],
    target_name: str,
    *,
    random_weights: bool,
    dry_run: bool,
) -> None:
    """Put nnrun and the models on each board."""
    job.check_names(models)
    jobs = pipeline.plan(pipeline.identify(hosts, target_name), models)
    if dry_run:
        _print_plan(jobs, "deploy")
        return
    ready = pipeline.prepare(jobs, random_weights=random_weights)
    measure.deploy_all(jobs, ready).require_all()


def bench(
    hosts: Sequence[str],
    models: Sequence[str],
    target_name: str,
    *,
    precisions: Sequence[str],
    threads: Sequence[str],
    loops: str,
    budget: str,
    warmup: str,
    limit: str,
    random_weights: bool,
    or_random: bool,
    form: str,
    dry_run: bool,
) -> None:
    """Build, convert, deploy and measure; then the table."""
    tables.check_format(form)
    job.check_names(models, precisions)
    how_long = _how_long(loops, budget, warmup)
    counts = options.wholes("threads", threads)
    limit_s = options.whole("limit", limit) or 0
    jobs = pipeline.plan(
        pipeline.identify(hosts, target_name),
        models,
        precisions=precisions,
        threads=counts,
        **how_long,
    )
    if dry_run:
        _print_plan(jobs, "bench")
        return
    ready = pipeline.prepare(jobs, random_weights=random_weights, or_random=or_random)
    finished = measure.bench(jobs, ready, limit_s=limit_s)
    if finished.results:
        print(report.render(finished.results, form))
    finished.require_all()


def run(
    hosts: Sequence[str],
    inputs: Sequence[str],
    model_name: str,
    target_name: str,
    *,
    precision: str,
    threads: str,
    topk: str,
    limit: str,
    form: str,
    dry_run: bool,
) -> None:
    """Show pictures to a model on each board and print what it sees."""
    tables.check_format(form)
    job.check_names([model_name], [precision])
    pictures = classify.pictures(inputs)
    best = options.whole("topk", topk) or 1
    counts = options.wholes("threads", [threads] if threads else [])
    limit_s = options.whole("limit", limit) or 0
    jobs = pipeline.plan(
        pipeline.identify(hosts, target_name),
        [model_name],
        precisions=[precision],
        threads=counts,
    )
    if dry_run:
        _print_plan(jobs, f"run on {len(pictures)} pictures")
        return
    ready = pipeline.prepare(jobs, random_weights=False)
    finished = classify.run(jobs, ready, pictures, topk=best, limit_s=limit_s)
    if finished.results:
        print(tables.render(classify.COLUMNS, classify.rows(finished.results), form))
    finished.require_all()


def reprint(form: str, *, every: bool, run_id: str) -> None:
    """The table of what is stored."""
    tables.check_format(form)
    if run_id:
        print(report.render([result.read(result.find(run_id))], form))
        return
    results, unreadable = result.stored(every=every)
    for line in unreadable:
        say.note(f"left out: {line}")
    if not results:
        raise WrongInput("no results are stored yet", remedy="invoke deploy-bench makes some")
    print(report.render(results, form))


def board_up(target_name: str, *, dry_run: bool) -> None:
    """Start an emulated board and say how to reach it."""
    if dry_run:
        board.check_name(f"{emulator.PREFIX}{target_name}")
        print(f"start emulated:{target_name} if it does not run")
        return
    up = emulator.up(target_name)
    print(f"{up.name} answers on port {up.port}: --host {up.name}")


def board_down(target_name: str, *, dry_run: bool) -> None:
    """Stop an emulated board."""
    if dry_run:
        board.check_name(f"{emulator.PREFIX}{target_name}")
        print(f"stop emulated:{target_name} if it runs")
        return
    stopped = emulator.down(target_name)
    print(f"emulated:{target_name} {'is stopped' if stopped else 'was not running'}")


def board_list(form: str) -> None:
    """The emulated boards that run."""
    tables.check_format(form)
    rows = [[b.name, b.target, b.container, str(b.port)] for b in emulator.running()]
    print(tables.render(("Board", "Target", "Container", "Port"), rows, form))


def _weights(made: convert.Conversion) -> str:
    told = made.manifest["weights"]
    return f"weights: {told['source']}" if made.has_real_weights else "random weights"


def _print_plan(jobs: Sequence[Job], verb: str) -> None:
    for one in jobs:
        what = f"{one.model} {one.precision}, {one.threads} threads"
        print(f"{verb}: {what}, on {one.host} ({one.target})")


def _how_long(loops: str, budget: str, warmup: str) -> dict[str, Any]:
    """What was asked for; None keeps what is usual."""
    if loops and budget:
        raise WrongInput("--loops and --budget exclude each other", remedy="give one of them")
    return {
        "loops": 0 if budget else options.whole("loops", loops),
        "budget_s": options.seconds("budget", budget),
        "warmup": options.whole("warmup", warmup, least=0),
    }
