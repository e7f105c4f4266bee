"""``compress``: variants of a model, made step by step, or what making them would do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.cli.compress_request import CompressRequest
from piyard.cli.own_models import print_conversion
from piyard.compress.method import CompressOptions, parse_calibration
from piyard.compress.methods import find_method
from piyard.compress.pictures import CompressionData, DataPlace, read_compression_data
from piyard.compress.plan import PlannedStep, plan_steps
from piyard.compress.rebuild import RebuiltFile, rebuild_variant
from piyard.compress.variant import MadeVariant, bind_step, make_variant, say_variant
from piyard.core import console
from piyard.core.errors import ConversionFailed
from piyard.core.tables import render_table
from piyard.models.definition import Model, load_model

REBUILT_COLUMNS = ("File", "Manifest", "Rebuilt", "State")


def compress_model(request: CompressRequest) -> None:
    """Make the variants of a chain of methods, or print what would be made."""
    if request.rebuild:
        rebuild(request)
        return
    options = read_options(request)
    steps = plan_steps(options)
    model = load_model(request.model)
    data = read_data(request, model)
    for step in steps:
        find_method(step.method).check(
            bind_step(step, model, data, seed=options.seed, target=options.target)
        )
    if request.dry_run:
        _print_plan(steps, data)
        return
    _make_steps(request, options, steps, data)


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
        teacher=request.teacher,
        calibration=parse_calibration(request.calibration),
        per_layer=request.per_layer,
        mixed=request.mixed,
    )


def read_data(request: CompressRequest, model: Model) -> CompressionData | None:
    """The pictures that the request names, if it names any."""
    place = _data_place(request)
    return read_compression_data(place, model) if place else None


def _data_place(request: CompressRequest) -> DataPlace | None:
    if not request.data:
        return None
    return DataPlace(
        path=request.data,
        format=request.data_format,
        split=request.split,
        limit=request.pictures,
    )


def _print_plan(steps: Sequence[PlannedStep], data: CompressionData | None) -> None:
    for step in steps:
        print(step.line)
    if data:
        print(f"by {data.title}")


def _make_steps(
    request: CompressRequest,
    options: CompressOptions,
    steps: Sequence[PlannedStep],
    data: CompressionData | None,
) -> list[MadeVariant]:
    made: list[MadeVariant] = []
    for planned in steps:
        parent = load_model(planned.parent)
        step = bind_step(planned, parent, data, seed=options.seed, target=options.target)
        variant = make_variant(step, replace=request.replace_variant, force=request.force)
        say_variant(variant)
        print_conversion(variant.conversion)
        made.append(variant)
    return made


def rebuild(request: CompressRequest) -> None:
    """Make a variant again and compare. Raises ``ConversionFailed`` where a byte differs."""
    model = load_model(request.rebuild)
    if request.dry_run:
        print(f"make {model.name} again from its manifest, and compare the bytes")
        return
    files = rebuild_variant(model, _data_place(request))
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
