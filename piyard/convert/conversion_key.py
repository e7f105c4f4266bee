"""What gives a conversion its key: everything that decides its bytes."""

from __future__ import annotations

from importlib import metadata

import msgspec

from piyard.convert.conversions import ConversionInputs
from piyard.convert.model_files import ModelFiles
from piyard.convert.routes import model_routes
from piyard.core.errors import NotSetUp
from piyard.core.files import sha256_of_file
from piyard.models.architectures.timm_networks import is_timm_network
from piyard.models.definition import Model


def model_masks(model: Model, files: ModelFiles, route: str) -> dict[str, int]:
    """The masks that the YAML has for these weights.

    They are for the model's own route: by another one the same name may be another layer's.
    """
    own = model_routes(model)[0]
    return model.masks.get(files.main.short, {}) if route == own else {}


CONVERSION_FORMAT = 18
"""Raise it when the code here makes other files from the same inputs."""
CONVERSION_TOOLS = ("torch", "torchvision", "onnx", "onnxruntime", "pnnx", "ncnn")


def key_inputs(model: Model, files: ModelFiles, route: str) -> ConversionInputs:
    """Everything that decides the bytes, and the thresholds they have passed."""
    return ConversionInputs(
        format=CONVERSION_FORMAT,
        route=route,
        network=model.network,
        task=model.task,
        input=model.input,
        input_range=model.input_range,
        further=list(model.further) or msgspec.UNSET,
        dynamic=model.dynamic,
        edits=list(model.variant.edits) if model.variant else msgspec.UNSET,
        cut=list(model.cut),
        output=model.output,
        activation=model.activation,
        preprocess=model.preprocess,
        head=model.head,
        tracker=model.tracker,
        text=model.text or msgspec.UNSET,
        labels=sha256_of_file(model.labels_file) if model.labels else "",
        weights=files.main.identity,
        parts={name: chosen.identity for name, chosen in files.parts.items()},
        masks=model_masks(model, files, route),
        thresholds=model.proof,
        versions={tool: _tool_version(tool) for tool in _conversion_tools(model)},
    )


def _conversion_tools(model: Model) -> tuple[str, ...]:
    return (*CONVERSION_TOOLS, "timm") if is_timm_network(model.network) else CONVERSION_TOOLS


def _tool_version(tool: str) -> str:
    try:
        return metadata.version(tool)
    except metadata.PackageNotFoundError:
        raise NotSetUp(f"{tool} is not installed", remedy="run ./yard once") from None
