"""Which reference model a model's YAML means: each of its nets, with its weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.lowering import FILE_WRITERS, ROUTE_WRITERS, ProgramWriter, trace_ir
from piyard.convert.model_files import (
    BIN_PART,
    HEAD_PART,
    TOKENIZER_PART,
    ModelFiles,
    choose_files,
    weights_path,
)
from piyard.convert.ncnn_net import NcnnReference
from piyard.convert.onnx_reference import load_onnx
from piyard.convert.param import TEXT_STEM
from piyard.convert.reference import (
    LogProbabilities,
    ReferenceModel,
    ScriptReference,
    TorchReference,
)
from piyard.convert.routes import require_route
from piyard.convert.script_program import SandboxedProgram
from piyard.convert.text_encoder import text_reference
from piyard.convert.variant_pair import VariantPair
from piyard.core.errors import WrongInput
from piyard.language.clip_vocabulary import make_tokenizer_json, read_tokenizer_json
from piyard.models.definition import Model, label_list_path, load_model, read_labels
from piyard.models.networks import build_network
from piyard.models.variants import Variant
from piyard.models.weights import (
    ChosenWeights,
    fit_variant,
    load_weights,
)

if TYPE_CHECKING:
    import torch


def reference_networks(
    model: Model, files: ModelFiles, *, route: str = "", ir: Path | None = None
) -> dict[str, ReferenceModel]:
    """Each net of the model by its stem, lowered by that route; its own one when none is named.

    ``model``; ``head`` where a part is one, ``text`` beside an encoder of pictures. Route ``pnnx``
    begins with the PNNX IR in the folder ``ir``. Raises ``WrongInput`` for a route the model cannot
    go, ``DownloadFailed`` and ``ConversionFailed``.
    """
    way = require_route(model, route)
    main = _with_probabilities(model, _main_network(model, files, way, ir))
    if model.text:
        return _text_networks(model, main, files, way, ir)
    if HEAD_PART not in files.parts:
        return {"model": main}
    return {"model": main, HEAD_PART: _head_network(model, main, files.parts[HEAD_PART], way, ir)}


def _with_probabilities(model: Model, main: ReferenceModel) -> ReferenceModel:
    if model.activation != "exp":
        return main
    classes = len(read_labels(model))
    return LogProbabilities(inner=main, output=model.output, classes=classes)


def _main_network(model: Model, files: ModelFiles, way: str, ir: Path | None) -> ReferenceModel:
    others: list[tuple[int, ...]] = [(model.input[0], *model.dynamic)] if model.dynamic else []
    if way == "ncnn":
        pair = NcnnReference(
            param=weights_path(files.main),
            bin=weights_path(files.parts[BIN_PART]),
            cut=model.cut,
        )
        if model.variant:
            return VariantPair(pair=pair, parent=_parent_network(model.variant))
        return pair
    write = _program_writer(model, way, ir)
    if model.network == "onnx":
        at = weights_path(files.network)
        return load_onnx(at, model.input_shapes, others=others, cut=model.cut, write=write)
    if model.network == "torchscript":
        program = SandboxedProgram(weights_path(files.main), model.cut)
        return ScriptReference(
            program=program, shapes=model.input_shapes, others=others, write=write
        )
    network = build_with_weights(model, files.main)
    return TorchReference(network=network, shapes=model.input_shapes, others=others, write=write)


def _parent_network(variant: Variant) -> ReferenceModel:
    """The original of a quantised variant."""
    parent = load_model(variant.parent)
    return reference_networks(parent, choose_files(parent))["model"]


def _head_network(
    model: Model, main: ReferenceModel, chosen: ChosenWeights, way: str, ir: Path | None
) -> ReferenceModel:
    """The head looks at what the backbone makes of the template and of where it searches."""
    import numpy as np

    sizes = (model.dynamic or model.input[1:], model.input[1:])
    shapes = [main.run(np.zeros((model.input[0], *size), np.float32))[0].shape for size in sizes]
    return load_onnx(
        weights_path(chosen), shapes, stem=HEAD_PART, write=_program_writer(model, way, ir)
    )


def _text_networks(
    model: Model, main: ReferenceModel, files: ModelFiles, way: str, ir: Path | None
) -> dict[str, ReferenceModel]:
    """Both encoders of the network."""
    if not isinstance(main, TorchReference):
        raise WrongInput(
            f"{model.title}: `text` is for networks that piyard builds",
            remedy="take `text` out of its YAML, and name another `task`",
        )
    chosen = files.parts.get(TOKENIZER_PART)
    description = read_tokenizer_json(weights_path(chosen)) if chosen else make_tokenizer_json([])
    text = text_reference(model, main.network, description, _program_writer(model, way, ir))
    pictures = msgspec.structs.replace(main, network=main.network.visual)
    return {"model": pictures, TEXT_STEM: text}


def _program_writer(model: Model, way: str, ir: Path | None) -> ProgramWriter:
    if ir:
        return partial(trace_ir, ir)
    return FILE_WRITERS.get(model.network) or ROUTE_WRITERS[way]


def build_with_weights(model: Model, chosen: ChosenWeights) -> torch.nn.Module:
    """The network of a model that piyard builds, with its weights. Raises as ``load_weights``."""
    network = build_plain(model)
    if model.variant:
        fit_variant(network, model.variant.edits, chosen)
    load_weights(network, chosen)
    return network


def build_plain(model: Model) -> torch.nn.Module:
    """The network of that name, with torch's initial weights and without a variant's edits."""
    classes = len(read_labels(model)) if model.labels else 0
    named = {"keypoints": _count_lines(label_list_path(model.keypoints))} if model.keypoints else {}
    return build_network(model.network, classes, **named)


def _count_lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())
