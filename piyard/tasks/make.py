"""Tasks that need no board."""

from __future__ import annotations

from invoke.context import Context

from piyard.tasks import texts
from piyard.tasks.defaults import TARGET
from piyard.tasks.letters import task


@task(
    iterable=["target"],
    help={
        "target": "rpi5, rpi4, rpi3, zero2w or desktop; repeat for more",
        "source": "a source of toolchains/ncnn.yaml: sdist or git",
        "dry-run": texts.DRY_RUN,
    },
)
def build(_c: Context, target: list[str], source: str = "", dry_run: bool = False) -> None:
    """Cross-compile ncnn and nnrun for a kind of board."""
    from piyard.commands import make

    make.builds(target or [TARGET], source, dry_run=dry_run)


@task(
    iterable=["host", "model"],
    help={
        "format": "plain, github, csv, json, junit or html",
        "output": "write it to this file; a page goes to artifacts/report.html otherwise",
        "all": "every run, not only the newest of each row",
        "host": "only boards of that name or glob; repeat for more",
        "model": "only models of that name or glob; repeat for more",
        "run": "one run, by its id or the start of it",
        "price-kwh": texts.PRICE,
        "long": texts.LONG,
    },
)
def report(
    _c: Context,
    host: list[str],
    model: list[str],
    format: str = "plain",
    output: str = "",
    all: bool = False,
    run: str = "",
    price_kwh: str = "",
    long: bool = False,
) -> None:
    """Print the table of stored results, or make a page of them; needs no board."""
    from piyard.commands import make
    from piyard.history import Filters

    wanted = Filters(hosts=host, models=model, newest=not all)
    make.reprint(format, output, wanted=wanted, run_id=run, price_kwh=price_kwh, long=long)


@task(iterable=["host"], help={"host": f"also check {texts.HOST}"})
def doctor(_c: Context, host: list[str]) -> None:
    """Check this machine, and boards, and say what to do about what is wrong."""
    from piyard import doctor as check

    check.report(host)


@task(
    help={
        "everything": "also the caches of this user and the images",
        "dry-run": texts.DRY_RUN,
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
