"""What is made on this machine: builds, converted models, tables and pages of stored results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from piyard.build import builder
from piyard.build.builder import plan_build
from piyard.cli.desk_requests import ConvertRequest
from piyard.cli.language import convert_language_models
from piyard.cli.own_models import load_or_add, print_conversion
from piyard.convert import converter
from piyard.convert.conversion_notes import compare_routes
from piyard.convert.model_files import choose_files, weights_path
from piyard.convert.routes import model_routes, require_route
from piyard.core import console, download
from piyard.core.errors import WrongInput
from piyard.core.sandbox.launch import trust_file
from piyard.core.tables import STYLES, render_table
from piyard.core.target import Target, load_target
from piyard.core.text import format_scaled
from piyard.models.definition import Model, load_models, model_names
from piyard.models.language_models import (
    GENERATE,
    LanguageModel,
    language_model_names,
    load_language_model,
)
from piyard.models.variants import lineage_key
from piyard.models.weights_file import Weights

MODEL_COLUMNS = (
    *("Model", "Task", "Input", "Params", "GFLOPs/MACs"),
    *("Published accuracy", "Weights", "Licence", "Whose", "Variant of"),
)
OWN, SHIPPED = "own", "piyard's"


def list_models(task: str, form: str) -> None:
    """Print the models of one task, or all."""
    names = sorted(model_names(), key=lineage_key)
    rows = [_model_row(model) for model in load_models(names) if task in {"", model.task}]
    if task in {"", GENERATE}:
        rows += [_language_row(load_language_model(name)) for name in language_model_names()]
    if form in STYLES and not any(row[-1] for row in rows):
        print(render_table(MODEL_COLUMNS[:-1], [row[:-1] for row in rows], form))
    else:
        print(render_table(MODEL_COLUMNS, rows, form))
    console.info("figures are their publishers'; benchmarks count the network itself")


def convert_models(request: ConvertRequest) -> None:
    """Convert models, or print which would be."""
    text_models = language_model_names()
    convert_language_models(request, [name for name in request.models if name in text_models])
    pictured = [name for name in request.models if name not in text_models]
    if pictured and (request.precisions or request.calibration):
        raise WrongInput(
            f"{pictured[0]} sees pictures: its conversion is for every precision",
            remedy="leave --precision and --calibration away; a board's run chooses the precision",
        )
    _convert_pictured(request, pictured)


def _convert_pictured(request: ConvertRequest, names: Sequence[str]) -> None:
    random_weights, route = request.random_weights, request.route
    for model in load_or_add(names, dry_run=request.dry_run):
        if request.dry_run:
            usual = require_route(model, route)
            print(f"convert {model.name} by route {usual}, or find it converted")
            continue
        if request.trust:
            _trust_files(model)
        conversion = converter.convert_model(
            model, random_weights=random_weights, route=route, force=request.force
        )
        print_conversion(conversion)
        if route and route != model_routes(model)[0]:
            by_default = converter.convert_model(model, random_weights=random_weights, force=True)
            for line in compare_routes(conversion, by_default):
                console.info(f"  {line}")
        print(conversion.folder)


def _trust_files(model: Model) -> None:
    for chosen in choose_files(model).every:
        trust_file(weights_path(chosen))


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
        OWN if model.own else SHIPPED,
        f"{model.variant.parent}, {model.variant.method}" if model.variant else "",
    ]


def _language_row(model: LanguageModel) -> list[str]:
    return [
        model.name,
        model.task,
        f"{model.language.context:,} tokens",
        format_scaled(model.language.params, 1e6, "M"),
        "N/A",
        "N/A",
        _file_state(model.weights),
        model.weights[0].licence,
        OWN if model.own else SHIPPED,
        "",
    ]


def _file_state(files: Sequence[Weights]) -> str:
    if any(map(_is_downloaded, files)):
        return "here"
    return "to download" if files[0].url else "only by PIYARD_MIRROR"


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
