"""``compress``: variants of a model, made step by step, or what making them would do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.cli.compress_budget import keep_to_budget
from piyard.cli.compress_judging import data_place, measure_speeds, print_data, read_data
from piyard.cli.compress_request import CompressRequest
from piyard.cli.own_models import print_conversion
from piyard.compress.budget import (
    read_budget,
)
from piyard.compress.chart import draw_svg, draw_text
from piyard.compress.judging import judge_family, list_family
from piyard.compress.method import CompressOptions, parse_calibration
from piyard.compress.methods import find_method
from piyard.compress.pictures import PicturesApart
from piyard.compress.plan import PlannedStep, plan_steps
from piyard.compress.rebuild import RebuiltFile, rebuild_variant
from piyard.compress.recipe import read_variant_manifest
from piyard.compress.recommendation import recommend
from piyard.compress.summary import list_notes, make_rows, render_rows
from piyard.compress.variant import (
    MadeVariant,
    bind_step,
    check_step,
    make_variant,
    say_variant,
)
from piyard.core import console, paths
from piyard.core.errors import ConversionFailed
from piyard.core.files import write_text
from piyard.core.tables import STYLES, render_table
from piyard.core.target import load_target
from piyard.models.definition import Model, load_model

CHARTS_SHELF = "compressions"
REBUILT_COLUMNS = ("File", "Manifest", "Rebuilt", "State")


def compress_model(request: CompressRequest) -> None:
    """Make the variants of a chain of methods, or print what would be made."""
    if request.rebuild:
        rebuild(request)
        return
    options = read_options(request)
    if turned := read_budget(options):
        kept = keep_to_budget(request, options, *turned)
        if kept is None:
            return
        options = kept
    steps = plan_steps(options)
    model = load_model(request.model)
    learns = any(find_method(step.method).learns for step in steps)
    data = read_data(request, model, learns=learns)
    for step in steps:
        learnt = data.learnt if data else None
        bound = bind_step(step, model, learnt, seed=options.seed, target=options.target)
        check_step(bound)
    if request.dry_run:
        _print_plan(steps, data)
        return
    variants = _make_steps(request, options, steps, data)
    _print_summary(request, [variant.model for variant in variants], data)


def _print_summary(
    request: CompressRequest, models: Sequence[Model], data: PicturesApart | None
) -> None:
    """The table, the plot and what to take."""
    target = load_target(request.target)
    judged = data.judged if data else None
    family = list_family(models, judged)
    speeds = measure_speeds(request, family, target)
    rows = make_rows(judge_family(family, judged, target.precisions, speeds))
    print(render_rows(rows, request.format))
    if request.format not in STYLES:
        return
    for note in list_notes(rows, target.name, request.hosts):
        console.info(note)
    if data and data.is_shared and data.judged.judged:
        console.info("scales were found by some of the pictures that judge here")
    unit = "ms" if speeds else "M MACs"
    if plot := draw_text(rows, unit):
        console.info(plot)
        path = paths.artifacts() / CHARTS_SHELF / f"{family[0].name}.svg"
        write_text(path, draw_svg(rows, f"{family[0].name} and its variants", unit))
        console.info(f"the same as a picture: {path}")
    print(recommend(rows, request.keep_accuracy, models[-1].name))


def read_options(request: CompressRequest) -> CompressOptions:
    """What the request states. Raises ``WrongInput`` for an unknown method."""
    return CompressOptions(
        model=request.model,
        methods=tuple(find_method(name).name for name in request.methods),
        data=Path(request.data) if request.data else None,
        data_format=request.data_format,
        split=request.split,
        pictures=request.pictures,
        target=request.target,
        seed=request.seed,
        name=request.name,
        max_latency_ms=request.max_latency,
        keep_accuracy=request.keep_accuracy,
        epochs=request.epochs,
        steps=request.steps,
        lr=request.lr,
        batch=request.batch,
        ratio=request.ratio,
        rank=request.rank,
        energy=request.energy,
        trials=request.trials,
        counted=request.counted,
        teacher=request.teacher,
        calibration=parse_calibration(request.calibration),
        per_layer=request.per_layer,
        mixed=request.mixed,
    )


def _print_plan(steps: Sequence[PlannedStep], data: PicturesApart | None) -> None:
    for step in steps:
        print(step.line)
    print_data(data)


def _make_steps(
    request: CompressRequest,
    options: CompressOptions,
    steps: Sequence[PlannedStep],
    data: PicturesApart | None,
) -> list[MadeVariant]:
    variants: list[MadeVariant] = []
    for planned in steps:
        parent = load_model(planned.parent)
        learnt = data.learnt if data else None
        step = bind_step(planned, parent, learnt, seed=options.seed, target=options.target)
        variant = make_variant(step, replace=request.replace_variant, force=request.force)
        say_variant(variant)
        print_conversion(variant.conversion)
        variants.append(variant)
    return variants


def rebuild(request: CompressRequest) -> None:
    """Make a variant again and compare. Raises ``ConversionFailed`` where a byte differs."""
    model = load_model(request.rebuild)
    read_variant_manifest(model)
    if request.dry_run:
        print(f"make {model.name} again from its manifest, and compare the bytes")
        return
    files = rebuild_variant(model, data_place(request))
    print(render_table(REBUILT_COLUMNS, [_rebuilt_row(file) for file in files], request.format))
    if any(file.sha256 != file.rebuilt for file in files):
        raise ConversionFailed(
            f"{model.name}: what was made again is not what the manifest lists",
            remedy="training repeats on the same machine with the same versions and threads: "
            "compare its accuracy with evaluate",
        )
    console.info(f"✓ {model.name}: rebuilt to the same bytes")


def _rebuilt_row(file: RebuiltFile) -> list[str]:
    return [file.name, file.sha256[:16], file.rebuilt[:16] or "none", file.state]
