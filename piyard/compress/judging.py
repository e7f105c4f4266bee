"""How right and how fast a model and its variants are, by evaluate's figures and by counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from piyard.compress.pictures import CompressionData, DataIdentity
from piyard.compress.recipe import VARIANTS_SHELF, VariantManifest
from piyard.compress.summary import ORIGINAL, Judged, TimeSource
from piyard.compress.variant import INT8
from piyard.convert import converter
from piyard.convert.conversions import Conversion
from piyard.convert.ncnn_net import read_layers
from piyard.convert.param import is_quantised, name_data_type
from piyard.core.store import find_artifact, read_manifest
from piyard.evaluate.evaluation import (
    Subject,
    desktop_data_type,
    evaluate_desktop,
    with_evaluation_thresholds,
)
from piyard.models.definition import Model, load_definition, load_model, model_names
from piyard.models.lineage import lineage
from piyard.models.variants import lineage_key
from piyard.results.accuracies import Evaluation, find_evaluation

FLOAT_WAY = "fp32"
"""In which floats are judged here: their fp16 is proved to compute the same."""


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """Of one inference."""

    time_ms: float
    source: TimeSource
    instructions: int | None = None
    memory_kb: int | None = None


def board_precision(model: Model, precisions: Sequence[str]) -> str:
    """In which a board computes it best: int8 what is quantised, else fp16 where it can."""
    return INT8 if is_quantised(model) else float_precision(precisions)


def float_precision(precisions: Sequence[str]) -> str:
    """In which such a board computes floats, also those of a network that is int8 in part."""
    return "fp16" if "fp16" in precisions else "fp32"


def list_family(models: Sequence[Model], data: CompressionData | None) -> list[Model]:
    """The original, its variants that ``data`` may judge, and those that were made now.

    A variant that learnt from pictures which judge here is left out.
    """
    original = list(lineage(models[-1]))[-1]
    names = {model.name for model in models}
    others = [
        name
        for name in model_names()
        if (variant := load_definition(name).variant)
        and name not in names
        and _is_of(name, original.name)
        and _may_be_judged(variant.recipe, data, models)
    ]
    ordered = sorted([*names, *others], key=lineage_key)
    return [original, *(load_model(name) for name in ordered)]


def _is_of(name: str, original: str) -> bool:
    return lineage_key(name)[0] == original


def _may_be_judged(recipe: str, data: CompressionData | None, models: Sequence[Model]) -> bool:
    """Whether it learnt from the same pictures as those made now, or from none."""
    folder = find_artifact(VARIANTS_SHELF, recipe)
    if folder is None or data is None:
        return False
    learnt = read_manifest(folder, VariantManifest).data
    return learnt is None or learnt in [
        _learnt_by(model.variant.recipe) for model in models if model.variant
    ]


def _learnt_by(recipe: str) -> DataIdentity | None:
    folder = find_artifact(VARIANTS_SHELF, recipe)
    return read_manifest(folder, VariantManifest).data if folder else None


def judge_family(
    models: Sequence[Model],
    data: CompressionData | None,
    precisions: Sequence[str],
    speeds: Mapping[str, Speed],
) -> list[Judged]:
    """A row a model; ``speeds`` by the models' names, for all of them or for none."""
    return [_judge(model, data, precisions, speeds.get(model.name)) for model in models]


def _judge(
    model: Model, data: CompressionData | None, precisions: Sequence[str], speed: Speed | None
) -> Judged:
    conversion = converter.convert_model(model, force=True)
    precision = board_precision(model, precisions)
    evaluation = _evaluate(model, conversion, data) if data and data.judged else None
    metric, accuracy = next(iter(evaluation.figures.items())) if evaluation else ("", None)
    methods = [each.variant.method for each in lineage(model) if each.variant]
    return Judged(
        model=model.name,
        method="+".join(reversed(methods)) or ORIGINAL,
        precision=precision,
        data_type=_name_data_type(conversion, precision, precisions),
        metric=metric,
        accuracy=accuracy,
        interval=evaluation.intervals.get(metric) if evaluation else None,
        data=evaluation.data if evaluation else "",
        time_ms=speed.time_ms if speed else None,
        time_source=speed.source if speed else "macs",
        instructions=speed.instructions if speed else None,
        memory_kb=speed.memory_kb if speed else None,
        macs=conversion.manifest.macs,
        bytes=sum((conversion.folder / name).stat().st_size for name in conversion.net_files),
    )


def _name_data_type(conversion: Conversion, precision: str, precisions: Sequence[str]) -> str:
    """As the board will call it."""
    if precision != INT8:
        return precision
    return name_data_type(read_layers(conversion.folder), float_precision(precisions))


def _evaluate(model: Model, conversion: Conversion, data: CompressionData) -> Evaluation:
    """By ``evaluate``, unless it has done so before."""
    way = INT8 if is_quantised(model) else FLOAT_WAY
    computed, digest = desktop_data_type(conversion, way), data.identity.sha256
    if previous := find_evaluation(conversion.key, "desktop", computed, digest):
        return previous
    return evaluate_desktop(make_subject(model, conversion, data), way)


def make_subject(model: Model, conversion: Conversion, data: CompressionData) -> Subject:
    """What is evaluated. The data must have a truth."""
    detector = model.detector_model
    return Subject(
        name=model.name,
        model=with_evaluation_thresholds(model),
        conversion=conversion,
        detector=converter.convert_model(detector, force=True) if detector else None,
        data=data.require_truth(),
        digest=data.identity.sha256,
    )
