"""piyard's Invoke tasks: parse, call, print. What they do is in piyard/."""

from __future__ import annotations

from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

HOST_HELP = "a board: name, user@name:port or emulated:<target>; repeat for more"
MODEL_HELP = "a model of models/; repeat for more"
FORMAT_HELP = "plain, github, csv or json"
DRY_RUN_HELP = "say what would be done, do nothing"
BENCH_HELP = {
    "host": HOST_HELP,
    "model": MODEL_HELP,
    "target": "what kind of board it is, when it does not say so itself",
    "precision": "fp32, fp16, bf16 or int8; repeat for more",
    "threads": "threads of an inference; repeat for more",
    "loops": "measure so many inferences",
    "budget": "measure for so many seconds",
    "warmup": "inferences before measuring",
    "limit": "end a job on the board after so many seconds",
    "random-weights": "seeded random weights instead of the official ones",
    "format": FORMAT_HELP,
    "dry-run": DRY_RUN_HELP,
}
DEFAULT_HOST, DEFAULT_MODEL, DEFAULT_TARGET = "emulated:rpi5", "resnet18", "rpi5"
BENCH_LISTS = ["host", "model", "precision", "threads"]


@task(
    iterable=["target"],
    help={
        "target": "rpi5, rpi4, rpi3, zero2w or desktop; repeat for more",
        "source": "a source of toolchains/ncnn.yaml: sdist or git",
        "dry-run": DRY_RUN_HELP,
    },
)
def build(_c: Context, target: list[str], source: str = "", dry_run: bool = False) -> None:
    """Cross-compile ncnn and nnrun for a kind of board."""
    from piyard import commands

    for name in target or [DEFAULT_TARGET]:
        commands.build(name, source, dry_run=dry_run)


@task(
    iterable=["model"],
    help={
        "model": MODEL_HELP,
        "random-weights": BENCH_HELP["random-weights"],
        "dry-run": DRY_RUN_HELP,
    },
)
def convert(
    _c: Context, model: list[str], random_weights: bool = False, dry_run: bool = False
) -> None:
    """Convert models to ncnn, with proof that they still compute the same."""
    from piyard import commands

    commands.conversions(model or [DEFAULT_MODEL], random_weights=random_weights, dry_run=dry_run)


@task(
    iterable=["host", "model"],
    help={
        name: BENCH_HELP[name] for name in ("host", "model", "target", "random-weights", "dry-run")
    },
)
def deploy(
    _c: Context,
    host: list[str],
    model: list[str],
    target: str = "",
    random_weights: bool = False,
    dry_run: bool = False,
) -> None:
    """Put nnrun and models on boards; only what is missing there travels."""
    from piyard import commands

    commands.deploy(
        _hosts(host),
        model or [DEFAULT_MODEL],
        target,
        random_weights=random_weights,
        dry_run=dry_run,
    )


@task(iterable=BENCH_LISTS, help=BENCH_HELP)
def bench(
    _c: Context,
    host: list[str],
    model: list[str],
    precision: list[str],
    threads: list[str],
    target: str = "",
    loops: str = "",
    budget: str = "",
    warmup: str = "",
    limit: str = "",
    random_weights: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Measure models on boards and print the table."""
    _bench(locals(), or_random=False)


@task(iterable=BENCH_LISTS, help=BENCH_HELP)
def deploy_bench(
    _c: Context,
    host: list[str],
    model: list[str],
    precision: list[str],
    threads: list[str],
    target: str = "",
    loops: str = "",
    budget: str = "",
    warmup: str = "",
    limit: str = "",
    random_weights: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Build, convert, deploy, measure, print the table: everything in one go."""
    _bench(locals(), or_random=True)


@task(
    iterable=["host", "input"],
    help={
        "host": HOST_HELP,
        "model": "a model of models/",
        "input": "a picture, or a folder of them; repeat for more",
        "target": BENCH_HELP["target"],
        "precision": "fp32, fp16, bf16 or int8",
        "threads": "threads of an inference",
        "topk": "how many classes to show",
        "limit": BENCH_HELP["limit"],
        "format": FORMAT_HELP,
        "dry-run": DRY_RUN_HELP,
    },
)
def run(
    _c: Context,
    host: list[str],
    input: list[str],
    model: str = DEFAULT_MODEL,
    target: str = "",
    precision: str = "fp32",
    threads: str = "",
    topk: str = "5",
    limit: str = "",
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Run a model on pictures on boards and print what it sees."""
    from piyard import commands

    commands.run(
        _hosts(host),
        input,
        model,
        target,
        precision=precision,
        threads=threads,
        topk=topk,
        limit=limit,
        form=format,
        dry_run=dry_run,
    )


@task(
    help={
        "format": FORMAT_HELP,
        "all": "every run, not only the newest of each row",
        "run": "one run, by its id or the start of it",
    }
)
def report(_c: Context, format: str = "plain", all: bool = False, run: str = "") -> None:
    """Print the table of stored results; needs no board."""
    from piyard import commands

    commands.reprint(format, every=all, run_id=run)


@task(iterable=["host"], help={"host": f"also check {HOST_HELP}"})
def doctor(_c: Context, host: list[str]) -> None:
    """Check this machine, and boards, and say what to do about what is wrong."""
    from piyard import doctor as check

    check.report(host)


@task(
    help={
        "everything": "also the caches of this user and the images",
        "dry-run": DRY_RUN_HELP,
    }
)
def clean(_c: Context, everything: bool = False, dry_run: bool = False) -> None:
    """Remove what was made: builds, conversions, scratch. Runs and their results stay."""
    from piyard import clean as cleaner

    cleaner.clean(everything=everything, dry_run=dry_run)


@task
def lint(_c: Context) -> None:
    """ruff, mypy and shellcheck over everything."""
    from piyard import checks

    checks.lint()


@task(help={"unit": "only the quick tests that need no container engine", "k": "as pytest -k"})
def test(_c: Context, unit: bool = False, k: str = "") -> None:
    """Run all tests; linting is one of them."""
    from piyard import checks

    checks.test(unit=unit, select=k)


@task(help={"target": "the board's kind", "dry-run": DRY_RUN_HELP})
def board_up(_c: Context, target: str = DEFAULT_TARGET, dry_run: bool = False) -> None:
    """Start an emulated board."""
    from piyard import commands

    commands.board_up(target, dry_run=dry_run)


@task(help={"target": "the board's kind", "dry-run": DRY_RUN_HELP})
def board_down(_c: Context, target: str = DEFAULT_TARGET, dry_run: bool = False) -> None:
    """Stop an emulated board; what is on it is gone."""
    from piyard import commands

    commands.board_down(target, dry_run=dry_run)


@task(help={"format": FORMAT_HELP})
def board_list(_c: Context, format: str = "plain") -> None:
    """The emulated boards that run."""
    from piyard import commands

    commands.board_list(format)


def _hosts(given: list[str]) -> list[str]:
    if given:
        return given
    from piyard import say

    say.note(f"no --host given: using {DEFAULT_HOST}, an emulated board")
    return [DEFAULT_HOST]


def _bench(asked: dict[str, Any], *, or_random: bool) -> None:
    from piyard import commands

    commands.bench(
        _hosts(asked["host"]),
        asked["model"] or [DEFAULT_MODEL],
        asked["target"],
        precisions=asked["precision"],
        threads=asked["threads"],
        loops=asked["loops"],
        budget=asked["budget"],
        warmup=asked["warmup"],
        limit=asked["limit"],
        random_weights=asked["random_weights"],
        or_random=or_random,
        form=asked["format"],
        dry_run=asked["dry_run"],
    )


board = Collection("board")
board.add_task(board_up, name="up")
board.add_task(board_down, name="down")
board.add_task(board_list, name="list")

namespace = Collection(
    build, convert, deploy, bench, deploy_bench, run, report, doctor, clean, lint, test, board
)
