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
    failed is kept and refused, unless by ``force``.
    """
    model = models.load(model_name)
    way = originals.require_route(model, route)
    files = originals.choose(model, random_weights=random_weights)
    ir = None
    if way == "pnnx":
        ir = convert(model_name, random_weights=random_weights, force=True).folder
    inputs = _inputs(model, files, way)
    key = store.key_of(inputs)
    plan = making.Plan(model=model, name=model_name, files=files, route=way, ir=ir, key=key)
    folder, made = store.get_or_make(SHELF, key, lambda at: inputs | making.make(plan, at))
    found = _conversion(model, model_name, key, folder, made=made)
    return found if force else found.require_proved()


def find(model_name: str, key: str) -> Conversion:
    """A conversion that was made before; raises ``WrongInput`` when it is not there any more."""
    folder = store.find(SHELF, key)
    if folder is None:
        raise WrongInput(
            f"the conversion {key} of {model_name} is gone from artifacts/",
            remedy=f"make it again: invoke convert --model {model_name}",
        )
    return _conversion(models.load(model_name), model_name, key, folder, made=False)


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
        read = map(read_picture, pictures)
        fed = (feed.apply(one, model.preprocess, model.input[1:]) for one in read)
        return np.stack([network.run(values)[0] for values in fed])


def _conversion(model: Model, name: str, key: str, folder: Path, *, made: bool) -> Conversion:
    told = {"name": name, "title": model.title, "task": model.task}
    published = {"published": msgspec.to_builtins(model.published)}
    manifest = store.manifest(folder) | told | published
    return Conversion(name=name, key=key, folder=folder, manifest=manifest, made=made)


def _chosen_of(conversion: Conversion, model: Model) -> Chosen:
    if not conversion.has_real_weights:
        return RANDOM
    sha256 = conversion.manifest["weights"]["sha256"]
    file = next(file for file in model.weights if file.is_file(sha256))
    return Chosen(file=file, sha256=sha256)


def _inputs(model: Model, files: Files, route: str) -> dict[str, Any]:
    """All that decides the bytes, and the thresholds they must have passed."""
    return {
        "format": FORMAT,
        "route": route,
        "network": model.network,
        "task": model.task,
        "input": list(model.input),
        "noise": list(model.noise),
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
