"""Language models on this machine: converted, or what converting them would do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.cli.desk_requests import AddModelRequest, ConvertRequest
from piyard.convert.language.adding import apply_language_addition, plan_language_addition
from piyard.convert.language.conversions import (
    ERROR_COLUMNS,
    LanguageConversion,
    describe_agreement,
    error_rows,
)
from piyard.convert.language.converter import convert_language_model
from piyard.convert.language.plan import plan_language
from piyard.convert.own.defaults import name_after
from piyard.core import console
from piyard.core.errors import WrongInput
from piyard.core.tables import render_table
from piyard.models.language_models import LanguageModel, load_language_model

DEFAULT_PRECISION = "int4"


def convert_language_models(request: ConvertRequest, names: Sequence[str]) -> None:
    """Convert each in each precision, or print which would be."""
    calibration = _find_calibration(request) if names else None
    for model in [load_language_model(name) for name in names]:
        for precision in request.precisions or (DEFAULT_PRECISION,):
            if request.dry_run:
                print(f"convert {model.name} to {precision}, or find it converted")
                continue
            _convert(request, model, precision, calibration)


def _find_calibration(request: ConvertRequest | AddModelRequest) -> Path | None:
    path = Path(request.calibration) if request.calibration else None
    if path and not path.is_file():
        raise WrongInput(f"there is no file {path}", remedy="name a text for --calibration")
    return path


def add_language_model(request: AddModelRequest) -> None:
    """Add one from a folder of Hugging Face or a GGUF file, or print what that would take.

    One whose conversion fails is not added.
    """
    path = Path(request.file)
    name = request.name or name_after(path)
    calibration = _find_calibration(request)
    (precision,) = request.precisions or (DEFAULT_PRECISION,)
    addition = plan_language_addition(path, name, request.licence, replace=request.replace_model)
    for line in addition.lines:
        console.info(line)
    if request.dry_run:
        console.info(f"convert {name} to {precision}")
        return
    before = addition.path.read_bytes() if addition.path.is_file() else None
    apply_language_addition(addition)
    try:
        plan = plan_language(load_language_model(name), precision, calibration=calibration)
        conversion = convert_language_model(plan, force=request.force)
    except BaseException:
        if before is None:
            addition.path.unlink()
        else:
            addition.path.write_bytes(before)
        raise
    _print_conversion(conversion)
    print(conversion.folder)


def _convert(
    request: ConvertRequest, model: LanguageModel, precision: str, calibration: Path | None
) -> None:
    plan = plan_language(
        model, precision, random_weights=request.random_weights, calibration=calibration
    )
    conversion = convert_language_model(plan, force=request.force)
    _print_conversion(conversion)
    if request.errors:
        print(render_table(ERROR_COLUMNS, error_rows(conversion), "plain"))
    print(conversion.folder)


def _print_conversion(conversion: LanguageConversion) -> None:
    """What became of it, on stderr."""
    manifest = conversion.manifest
    source = manifest.weights.source if conversion.has_real_weights else ""
    pictures = manifest.pictures
    size = manifest.weight_bytes + (pictures.weight_bytes if pictures else 0)
    sizes = f"{manifest.params / 1e6:.1f} M params in {size / 1e6:.1f} MB"
    state = "FAILED its proof" if manifest.failed else "converted and proved"
    mark = "✗" if manifest.failed else "✓"
    if not conversion.fresh:
        state = f"{state}, nothing changed"
    console.info(f"{mark} {conversion.model.name} in {manifest.precision}: {state}, {sizes}")
    console.info(f"  {f'weights: {source}' if source else 'random weights'}")
    formats = manifest.stored
    console.info(f"  stored as {formats.label}")
    for width in manifest.widths[:1]:
        cost = describe_agreement(width.agreement)
        console.info(f"  blocks of {width.formats.blocks.label} alone: {cost}")
    for trial in manifest.table:
        cost = describe_agreement(trial.agreement)
        console.info(f"  a table of {trial.format.label} alone: {cost}")
    console.info(f"  {manifest.agreement.text}: {describe_agreement(manifest.agreement)}")
    if pictures:
        console.info(f"  encoder {pictures.format.label}: cosine {pictures.cosine:.6f}")
        console.info(f"  {pictures.agreement.text}: {describe_agreement(pictures.agreement)}")
    for line in manifest.failed:
        console.info(f"  {line}")
