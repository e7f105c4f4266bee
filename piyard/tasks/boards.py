"""Tasks that work on boards: deploy, benchmark, run, and runs that go on without us."""

from __future__ import annotations

from typing import Any

from invoke.context import Context

from piyard.tasks import defaults, texts
from piyard.tasks.letters import task

BENCH_LISTS = ["host", "model", "precision", "threads"]


@task(iterable=["host", "model"], help=texts.DEPLOY)
def deploy(
    _c: Context,
    host: list[str],
    model: list[str],
    all: bool = False,
    target: str = "",
    random_weights: bool = False,
    force: bool = False,
    link_limit: str = "",
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    retry_failed: bool = False,
    dry_run: bool = False,
) -> None:
    """Put nnrun and models on boards; only what is missing there travels."""
    from piyard.commands import work

    work.deploy(_wanted(locals()))


def _bench(name: str, about: str, *, or_random: bool) -> Any:
    """Both benchmarks take the same flags, which Invoke reads from a signature."""

    def measure(
        _c: Context,
        host: list[str],
        model: list[str],
        precision: list[str],
        threads: list[str],
        all: bool = False,
        target: str = "",
        loops: str = "",
        budget: str = "",
        warmup: str = "",
        governor: str = "",
        picture: str = "",
        rerun_invalid: str = "",
        energy: bool = False,
        meter: str = "",
        price_kwh: str = "",
        limit: str = "",
        random_weights: bool = False,
        force: bool = False,
        spread: bool = False,
        retry: str = "",
        retry_failed: bool = False,
        link_limit: str = "",
        parallel: str = "",
        no_wait: bool = False,
        strict: bool = False,
        format: str = "plain",
        long: bool = False,
        dry_run: bool = False,
    ) -> None:
        from piyard.commands import work

        work.bench(_wanted(locals()), or_random=or_random)

    measure.__doc__ = about
    return task(name=name, iterable=BENCH_LISTS, help=texts.BENCH)(measure)


bench = _bench("bench", "Measure models on boards and print the table.", or_random=False)
deploy_bench = _bench(
    "deploy-bench",
    "Build, convert, deploy, measure, print the table: everything in one go.",
    or_random=True,
)


@task(iterable=["host", "input"], help=texts.RUN)
def run(
    _c: Context,
    host: list[str],
    input: list[str],
    model: str = defaults.MODEL,
    all: bool = False,
    target: str = "",
    precision: str = "fp32",
    threads: str = "",
    topk: str = "5",
    output: str = "",
    score: str = "",
    frames: str = "",
    init: str = "",
    fps: str = "",
    draw: bool = True,
    show: bool = False,
    force: bool = False,
    limit: str = "",
    retry: str = "",
    link_limit: str = "",
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Show pictures, a film or the camera to a model on boards, and print what it sees."""
    from piyard.commands import look

    asked = locals() | {"precision": [precision], "threads": [threads] if threads else []}
    look.run(_wanted(asked | {"model": [model]}), asked)


@task(
    iterable=["remove"],
    help={
        "remove": "remove what is kept of a run that is over (its id or the start of it), or of "
        "all that failed (failed); results stay; repeat for more",
        "format": texts.FORMAT,
        "dry-run": texts.DRY_RUN,
    },
)
def runs(_c: Context, remove: list[str], format: str = "plain", dry_run: bool = False) -> None:
    """List all runs, and how they stood when last heard of."""
    from piyard.commands import runs as known

    if remove:
        known.remove(remove, dry_run=dry_run)
    else:
        known.listed(format)


@task(
    positional=["run"],
    help={"run": "its id or the start of it", "format": texts.FORMAT, "long": texts.LONG},
)
def attach(_c: Context, run: str, format: str = "plain", long: bool = False) -> None:
    """Wait again for a run that keeps running on its board, and print what it gives."""
    from piyard.commands import runs as known

    known.attach(run, format, long=long)


@task(positional=["run"], help={"run": "its id or the start of it"})
def fetch(_c: Context, run: str) -> None:
    """Bring back what a run has written so far."""
    from piyard.commands import runs as known

    known.fetch(run)


@task(positional=["run"], help={"run": "its id or the start of it"})
def cancel(_c: Context, run: str) -> None:
    """End a run on its board, and bring back what it wrote."""
    from piyard.commands import runs as known

    known.cancel(run)


@task(iterable=["host"], help=texts.BOARDS | {"dry-run": texts.DRY_RUN})
def rollback(
    _c: Context,
    host: list[str],
    all: bool = False,
    target: str = "",
    parallel: str = "",
    no_wait: bool = False,
    strict: bool = False,
    dry_run: bool = False,
) -> None:
    """Make the release before the current one current again."""
    from piyard.commands import fleet

    asked = locals()
    fleet.rollback(asked | {"host": defaults.hosts(asked)}, dry_run=dry_run)


def _wanted(asked: dict[str, Any]) -> Any:
    from piyard import wanted

    models = list(asked["model"]) or [defaults.MODEL]
    return wanted.parse(asked | {"host": defaults.hosts(asked), "model": models})
