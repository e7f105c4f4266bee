"""Model → Conversion: ncnn's files, the proof that they are right, and a reference for boards."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import digest, originals, store
from piyard import model as models
from piyard.conversion import SHELF, Conversion, making
from piyard.errors import NotSetUp, WrongInput
from piyard.model import Model
from piyard.originals import Files, Original
from piyard.preprocess import feed
from piyard.preprocess.picture import read as read_picture
from piyard.weights import RANDOM, Chosen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Conversion", "convert", "find", "original", "reference_logits"]

FORMAT = 14
"""Raise it when the code here makes other files from the same inputs."""
TOOLS = ("torch", "torchvision", "onnx", "onnxruntime", "pnnx", "ncnn")


def convert(
    model_name: str, *, random_weights: bool = False, route: str = "", force: bool = False
) -> Conversion:
    """The conversion of a model in models/, made when it is not there yet.

    Raises ``WrongInput``, ``DownloadFailed`` when no accepted weights can be had, and
    ``ConversionFailed``; the log of a failed one is kept under artifacts/logs. One whose proof
    failed is kept and refused, unless with ``force``.
    """
    model = models.load(model_name)
    route = originals.require_route(model, route)
    files = originals.choose(model, random_weights=random_weights)
    ir = None
    if route == "pnnx":
        ir = convert(model_name, random_weights=random_weights, force=True).folder
    inputs = _inputs(model, files, route)
    key = store.key_of(inputs)
    plan = making.Plan(model=model, name=model_name, files=files, route=route, ir=ir, key=key)
    folder, fresh = store.get_or_make(SHELF, key, lambda at: inputs | making.make(plan, at))
    conversion = _conversion(model, model_name, key, folder, fresh=fresh)
    return conversion if force else conversion.require_proved()


def find(model_name: str, key: str) -> Conversion:
    """An earlier conversion; raises ``WrongInput`` when it is not there any more."""
    folder = store.find(SHELF, key)
    if folder is None:
        raise WrongInput(
            f"the conversion {key} of {model_name} is gone from artifacts/",
            remedy=f"make it again: invoke convert --model {model_name}",
        )
    return _conversion(models.load(model_name), model_name, key, folder, fresh=False)


def original(conversion: Conversion) -> Original:
    """What the conversion was made from, to be run under ``torch_shim.inference``."""
    model = models.load(conversion.name)
    return originals.of(model, _chosen_of(conversion, model))


def reference_logits(conversion: Conversion, pictures: Sequence[Path]) -> NDArray[np.float32]:
    """The original's first output for each picture, shape (pictures, classes)."""
    import numpy as np

    from piyard.torch_shim import inference

    model = models.load(conversion.name)
    with inference():
        network = original(conversion)
        pixels = map(read_picture, pictures)
        inputs = (feed.apply(each, model.preprocess, model.input[1:]) for each in pixels)
        return np.stack([network.run(values)[0] for values in inputs])


def _conversion(model: Model, name: str, key: str, folder: Path, *, fresh: bool) -> Conversion:
    shown = {"name": name, "title": model.title, "task": model.task}
    published = {"published": msgspec.to_builtins(model.published)}
    manifest = store.manifest(folder) | shown | published
    return Conversion(name=name, key=key, folder=folder, manifest=manifest, fresh=fresh)


def _chosen_of(conversion: Conversion, model: Model) -> Chosen:
    if not conversion.has_real_weights:
        return RANDOM
    sha256 = conversion.manifest["weights"]["sha256"]
    file = next(file for file in model.weights if file.is_file(sha256))
    return Chosen(file=file, sha256=sha256)


def _inputs(model: Model, files: Files, route: str) -> dict[str, Any]:
    """Everything that decides the bytes, and the thresholds they have passed."""
    return {
        "format": FORMAT,
        "route": route,
        "network": model.network,
        "task": model.task,
        "input": list(model.input),
        "noise": list(model.input_range),
        "dynamic": msgspec.to_builtins(model.dynamic),
        "cut": list(model.cut),
        "output": model.output,
        "activation": model.activation,
        "preprocess": msgspec.to_builtins(model.preprocess),
        "head": msgspec.to_builtins(model.head),
        "tracker": msgspec.to_builtins(model.tracker),
        "labels": digest.of_file(model.labels_file) if model.labels else "",
        "weights": files.main.identity,
        "parts": {name: chosen.identity for name, chosen in files.parts.items()},
        "masks": making.asked_masks(model, files, route),
        "thresholds": msgspec.to_builtins(model.proof),
        "versions": {tool: _version(tool) for tool in TOOLS},
    }


def _version(tool: str) -> str:
    try:
        return metadata.version(tool)
    except metadata.PackageNotFoundError:
        raise NotSetUp(f"{tool} is not installed", remedy="run ./yard once") from None
