"""Tasks that need no board."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from piyard.tasks import texts
from piyard.tasks.defaults import MODEL, TARGET


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

    for name in target or [TARGET]:
        make.build(name, source, dry_run=dry_run)


@task(
    iterable=["model"],
    help={
        "model": texts.MODEL,
        "random-weights": texts.RANDOM,
        "route": "trace, script, onnx (deprecated by torch) or pnnx (its kept IR); the model's own",
        "force": "keep it even though its proof failed",
        "dry-run": texts.DRY_RUN,
    },
)
def convert(
    _c: Context,
    model: list[str],
    random_weights: bool = False,
    route: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Convert models to ncnn, with proof that they still compute the same."""
    from piyard.commands import make

    make.conversions(
        model or [MODEL], random_weights=random_weights, route=route, force=force, dry_run=dry_run
    )


@task(
    name="add",
    positional=["file"],
    iterable=["cut"],
    help={
        "file": "an .onnx, a TorchScript (.pt, .torchscript: a program, it is run), or the .param "
        "of an ncnn pair",
        "task": "classify, detect, segment or pose",
        "input": "what it is fed: channels, height, width, as 3,416,416",
        "head": "what its outputs mean: yolov8, yolox, nanodet, rtmdet, fcos, simcc or heatmap",
        "labels": "names of the classes: a file, one a line, or a list of models/labels/",
        "keypoints": "names of the keypoints, likewise",
        "name": "what it is called here (the file's name)",
        "strides": "input pixels between places, map by map, as 8,16,32; the head's usual ones",
        "cut": "a tensor of the ONNX graph that is an output; repeat in the head's order",
        "fit": "crop, letterbox, stretch or box",
        "order": "rgb or bgr",
        "mean": "subtracted from each channel (0..255), as 123.7,116.3,103.5",
        "norm": "multiplied afterwards, as 0.017,0.0175,0.0174",
        "licence": "of the file",
        "force": "keep it even though its proof failed",
        "format": texts.FORMAT,
        "dry-run": texts.DRY_RUN,
    },
)
def add_model(
    _c: Context,
    file: str,
    cut: list[str],
    task: str = "classify",
    input: str = "3,224,224",
    head: str = "",
    strides: str = "",
    labels: str = "",
    keypoints: str = "",
    name: str = "",
    fit: str = "",
    order: str = "",
    mean: str = "",
    norm: str = "",
    licence: str = "the user's own",
    force: bool = False,
    format: str = "plain",
    dry_run: bool = False,
) -> None:
    """Make a model of a network file of your own, and convert it with proof."""
    from piyard.commands import make
    from piyard.conversion.own import Asked, described, numbers

    asked = Asked(
        file=Path(file),
        name=name or Path(file).stem,
        task=task,
        size=input,
        head=head,
        strides=numbers("strides", strides),
        labels=labels,
        keypoints=keypoints,
        cut=cut,
        preprocess=described(fit=fit, order=order, mean=mean, norm=norm),
        licence=licence,
    )
    make.add_model(asked, force=force, form=format, dry_run=dry_run)


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
) -> None:
    """Print the table of stored results, or make a page of them; needs no board."""
    from piyard.commands import make
    from piyard.history import Filters

    wanted = Filters(hosts=host, models=model, newest=not all)
    make.reprint(format, output, wanted=wanted, run_id=run, price_kwh=price_kwh)


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
