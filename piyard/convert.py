"""Model → Conversion: ncnn's files, the proof that they are right, and a reference for boards.

The folder ``artifacts/conversions/<key>/`` holds model.ncnn.param, model.ncnn.bin (fp32 weights),
labels.txt, pnnx's own intermediate files and log, and ``reference/<blob>.f32``.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import digest, lowering, masks, networks, paths, preprocess, proof, say, stimulus, store
from piyard import model as models
from piyard import weights as weights_
from piyard.errors import ConversionFailed, NotSetUp, WrongInput
from piyard.model import Model
from piyard.weights import Chosen

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

SHELF = "conversions"
FORMAT = 4
"""Raise it when the code here makes other files from the same inputs."""
ROUTE = "torch.jit.trace + pnnx fp16=0"
TOOLS = ("torch", "torchvision", "pnnx", "ncnn")
LABELS = "labels.txt"
REFERENCE = "reference"


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """A converted model on this machine, proved against torch."""

    name: str
    key: str
    folder: Path
    manifest: dict[str, Any]
    made: bool
    """False when it was there already."""

    @property
    def has_real_weights(self) -> bool:
        """Whether its answers mean anything."""
        return bool(self.manifest["weights"]["kind"] == "file")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        c, h, w = self.manifest["input"]
        return c, h, w

    @property
    def outputs(self) -> list[str]:
        """ncnn's names of the output blobs."""
        return list(self.manifest["reference"]["outputs"])

    def reference(self, blob: str) -> NDArray[np.float32]:
        """torch's output, flat, for the input ``stimulus.tensor(input_shape, SEED)``."""
        import numpy as np

        return np.fromfile(self.folder / REFERENCE / f"{blob}.f32", dtype="<f4")


def convert(model_name: str, *, random_weights: bool = False) -> Conversion:
    """The conversion of a model in models/, made when it is not there yet.

    Raises ``WrongInput``, ``DownloadFailed`` when no accepted weights can be had, and
    ``ConversionFailed``; the log of a failed one is kept under artifacts/logs.
    """
    model = models.load(model_name)
    chosen = weights_.RANDOM if random_weights else weights_.choose(model)
    inputs = _inputs(model, chosen)
    key = store.key_of(inputs)
    folder, made = store.get_or_make(
        SHELF, key, lambda at: inputs | _make(model, model_name, chosen, key, at)
    )
    return _conversion(model, model_name, key, folder, made=made)


def find(model_name: str, key: str) -> Conversion:
    """A conversion that was made before; raises ``WrongInput`` when it is not there any more."""
    folder = store.find(SHELF, key)
    if folder is None:
        raise WrongInput(
            f"the conversion {key} of {model_name} is gone from artifacts/",
            remedy=f"make it again: invoke convert --model {model_name}",
        )
    return _conversion(models.load(model_name), model_name, key, folder, made=False)


def _conversion(model: Model, name: str, key: str, folder: Path, *, made: bool) -> Conversion:
    told = {"name": name, "title": model.title, "task": model.task}
    published = {"published": msgspec.to_builtins(model.published)}
    manifest = store.manifest(folder) | told | published
    return Conversion(name=name, key=key, folder=folder, manifest=manifest, made=made)


def reference_logits(conversion: Conversion, pictures: Sequence[Path]) -> NDArray[np.float32]:
    """torch's first output for each picture, shape (pictures, classes)."""
    import numpy as np

    from piyard.torch_shim import inference

    model = models.load(conversion.name)
    with inference():
        network = _network(model, _chosen_of(conversion, model))
        read = map(preprocess.read, pictures)
        fed = (preprocess.apply(one, model.preprocess, model.input[1:]) for one in read)
        return np.stack([proof.run_torch(network, values)[0] for values in fed])


def _chosen_of(conversion: Conversion, model: Model) -> Chosen:
    if not conversion.has_real_weights:
        return weights_.RANDOM
    sha256 = conversion.manifest["weights"]["sha256"]
    file = next(file for file in model.weights if sha256.startswith(file.digest))
    return Chosen(file=file, sha256=sha256)


def _inputs(model: Model, chosen: Chosen) -> dict[str, Any]:
    """All that decides the bytes, and the thresholds they must have passed."""
    return {
        "format": FORMAT,
        "route": ROUTE,
        "network": model.network,
        "input": list(model.input),
        "preprocess": msgspec.to_builtins(model.preprocess),
        "labels": digest.of_file(model.labels_file),
        "weights": chosen.identity,
        "thresholds": msgspec.to_builtins(model.proof),
        "versions": {tool: _version(tool) for tool in TOOLS},
    }


def _version(tool: str) -> str:
    try:
        return metadata.version(tool)
    except metadata.PackageNotFoundError:
        raise NotSetUp(f"{tool} is not installed", remedy="run ./yard once") from None


def _make(model: Model, name: str, chosen: Chosen, key: str, at: Path) -> dict[str, Any]:
    weights_.fetch(chosen)
    from piyard.torch_shim import inference

    with say.step(f"convert {name}"), inference(), _scratch() as half:
        network = _network(model, chosen)
        try:
            lowering.lower(network, model.input, at, half=False)
            masked = masks.apply(at / lowering.PARAM)
            lowering.lower(network, model.input, Path(half), half=True)
            proved = proof.prove(model, network, at, Path(half), proof.real_pictures())
        except ConversionFailed as error:
            raise _with_log(error, at, f"convert-{name}-{key}") from None
        shutil.copyfile(model.labels_file, at / LABELS)
        return {
            "weights": chosen.told,
            "no_fp16_arithmetic": masked,
            "reference": _reference(network, model, proved, at),
            "proof": _told(proved),
            **_size(network, model),
        }


def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="piyard-half-")


def _network(model: Model, chosen: Chosen) -> torch.nn.Module:
    network = networks.build(model.network, len(models.labels(model)))
    weights_.fill(network, chosen)
    return network


def _with_log(error: ConversionFailed, at: Path, name: str) -> ConversionFailed:
    """The error, with what pnnx wrote kept where the user can read it."""
    kept = paths.artifacts() / "logs" / name
    kept.mkdir(parents=True, exist_ok=True)
    for file in (lowering.LOG, lowering.PARAM):
        if (at / file).is_file():
            shutil.copyfile(at / file, kept / file)
    remedy = f"{error.remedy}; kept: {kept}" if error.remedy else f"kept: {kept}"
    return ConversionFailed(error.what, evidence=error.evidence, remedy=remedy)


def _reference(
    network: torch.nn.Module, model: Model, proved: proof.Proved, at: Path
) -> dict[str, Any]:
    outputs = proof.run_torch(network, stimulus.tensor(model.input, stimulus.SEED))
    (at / REFERENCE).mkdir()
    names = list(proved["fp32"]["noise"])
    for name, values in zip(names, outputs, strict=True):
        values.astype("<f4").tofile(at / REFERENCE / f"{name}.f32")
    shapes = {name: list(v.shape) for name, v in zip(names, outputs, strict=True)}
    return {"seed": stimulus.SEED, "outputs": shapes}


def _told(proved: proof.Proved) -> dict[str, Any]:
    machine = platform.machine()
    return {
        way: {"computed": f"{proof.COMPUTED[way]}, on {machine}", "inputs": figures}
        for way, figures in msgspec.to_builtins(proved).items()
    }


def _size(network: torch.nn.Module, model: Model) -> dict[str, int]:
    """Parameters, and multiply-accumulates of one inference (convolutions and matrices)."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *model.input))
    params = sum(values.numel() for values in network.parameters())
    return {"params": params, "macs": counter.get_total_flops() // 2}
