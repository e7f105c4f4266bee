"""What is made on this machine: builds, converted models, tables and pages of stored results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from piyard.build import builder
from piyard.build.builder import plan_build
from piyard.cli.desk_requests import AddModelRequest, ConvertRequest
from piyard.convert import converter
from piyard.convert.conversions import (
    PROOF_COLUMNS,
    Conversion,
    compare_routes,
    describe_state,
    list_notes,
    proof_rows,
    worst_rows,
)
from piyard.convert.own.adding import apply_addition, plan_addition, undo_addition
from piyard.convert.own.defaults import (
    OwnModelOptions,
    find_pair,
    name_after,
    parse_integers,
    parse_network,
    preprocess_options,
)
from piyard.convert.reference_models import choose_files, model_routes, require_route, weights_path
from piyard.core import console, download
from piyard.core.sandbox.launch import trust_file
from piyard.core.tables import STYLES, render_table
from piyard.core.target import Target, load_target
from piyard.core.text import format_scaled
from piyard.models.definition import Model, Weights, load_model, load_models, model_names

MODEL_COLUMNS = (
    *("Model", "Task", "Input", "Params", "GFLOPs/MACs"),
    *("Published accuracy", "Weights", "Licence"),
)


def list_models(task: str, form: str) -> None:
    """Print the models of one task, or all."""
    rows = [_model_row(model) for model in load_models(model_names()) if task in {"", model.task}]
    print(render_table(MODEL_COLUMNS, rows, form))
    console.info("figures are their publishers'; benchmarks count the network itself")


def convert_models(request: ConvertRequest) -> None:
    """Convert models, or print which would be."""
    random_weights, route = request.random_weights, request.route
    for model in load_models(request.models):
        if request.dry_run:
            usual = require_route(model, route)
            print(f"convert {model.name} by route {usual}, or find it converted")
            continue
        if request.trust:
            _trust_files(model)
        conversion = converter.convert_model(
            model, random_weights=random_weights, route=route, force=request.force
        )
        _print_conversion(conversion)
        if route and route != model_routes(model)[0]:
            by_default = converter.convert_model(model, random_weights=random_weights, force=True)
            for line in compare_routes(conversion, by_default):
                console.info(f"  {line}")
        print(conversion.folder)


def _trust_files(model: Model) -> None:
    for chosen in choose_files(model).every:
        trust_file(weights_path(chosen))


def add_from_request(request: AddModelRequest) -> None:
    """Add a model from the user's own file and convert it, or print what that would take."""
    add_model(
        _file_options(request),
        force=request.force,
        trusted=request.trust,
        form=request.format,
        dry_run=request.dry_run,
    )


def _file_options(request: AddModelRequest) -> OwnModelOptions:
    path = Path(request.file)
    return OwnModelOptions(
        file=find_pair(path) if path.is_dir() else path,
        name=request.name or name_after(path),
        task=request.task,
        size=request.input,
        head=request.head,
        network=parse_network(request.network),
        strides=parse_integers("strides", request.strides),
        labels=request.labels,
        keypoints=request.keypoints,
        cut=list(request.cut),
        output=request.output,
        activation=request.activation,
        preprocess=preprocess_options(
            fit=request.fit,
            resize=request.resize,
            order=request.order,
            mean=request.mean,
            norm=request.norm,
        ),
        licence=request.licence,
    )


def add_model(
    options: OwnModelOptions, *, force: bool, trusted: bool = False, form: str, dry_run: bool
) -> None:
    """Add a model from the user's own file and convert it, or print what that would take."""
    if trusted and options.file.is_file():
        trust_file(options.file, lasting=not dry_run)
    planned = plan_addition(options)
    for line in planned.lines:
        console.info(line)
    if dry_run:
        return
    with ExitStack() as undo:
        undo.callback(undo_addition, planned)  # whatever ends it, Ctrl-C too: it can be added again
        apply_addition(planned)
        conversion = converter.convert_model(load_model(planned.name), force=True)
        if not force:  # what only fp16 is too little for can be used in fp32
            conversion.require_proved(["fp32"])
        undo.pop_all()
    _print_conversion(conversion)
    rows = worst_rows(conversion) if form in STYLES else proof_rows(conversion)
    print(render_table(PROOF_COLUMNS, rows, form))


def _print_conversion(conversion: Conversion) -> None:
    state = describe_state(conversion)
    size = f"{conversion.manifest.params / 1e6:.2f} M params"
    mark = "✗" if conversion.failed or conversion.empty else "✓"
    console.info(f"{mark} {conversion.name}: {state}, {_weights_text(conversion)}, {size}")
    for note in list_notes(conversion):
        console.info(f"  {note}")


def _model_row(model: Model) -> list[str]:
    figures = model.published
    return [
        model.name,
        model.task,
        "x".join(map(str, model.input[1:])),
        format_scaled(figures.params, 1e6, "M"),
        format_scaled(figures.macs, 1e9, "GMACs"),
        ", ".join(_published_accuracy(model)) or "N/A",
        _availability(model),
        "; ".join(dict.fromkeys(file.licence for file in _weight_files(model))),
    ]


def _published_accuracy(model: Model) -> Iterator[str]:
    if model.published.top1 is not None:
        yield f"top-1 {model.published.top1:.1f}"
    if model.published.map_50_95 is not None:
        yield f"mAP {model.published.map_50_95:.1f}"


def _weight_files(model: Model) -> list[Weights]:
    """The official weights file and its parts."""
    return [model.weights[0], *model.parts.values()]


def _availability(model: Model) -> str:
    """Whether the weights are here, or how to get them."""
    if any(_is_downloaded(file) for file in model.weights) and all(
        map(_is_downloaded, model.parts.values())
    ):
        return "here"
    return "to download" if model.weights[0].url else "only by PIYARD_MIRROR"


def _is_downloaded(file: Weights) -> bool:
    return bool(file.digest) and download.known_sha256(file.digest) is not None


def _weights_text(conversion: Conversion) -> str:
    source = conversion.manifest.weights.source
    return f"weights: {source}" if conversion.has_real_weights else "random weights"


def build_targets(target_names: Sequence[str], source_name: str, *, dry_run: bool) -> None:
    """Build for targets, in order, after checking all names."""
    for target in [load_target(name) for name in target_names]:
        build_target(target, source_name, dry_run=dry_run)


def build_target(target: Target, source_name: str, *, dry_run: bool) -> None:
    """Build for a target, or print what that would take."""
    if dry_run:
        for line in plan_build(target, source_name):
            print(line)
        return
    product = builder.build_nnrun(target, source_name)
    facts = product.manifest.elf
    linked = "static" if facts.static else f"needs GLIBC {facts.glibc}"
    size = product.nnrun.stat().st_size / 1e6
    state = "built" if product.fresh else "nothing changed"
    console.info(f"✓ {target.name}: {state}, build {product.key}, nnrun {size:.1f} MB, {linked}")
    print(product.folder)
