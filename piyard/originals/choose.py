"""Which original a model's YAML means, and the ways it can go to ncnn."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec

from piyard import download, networks
from piyard import model as models
from piyard import weights as weights_
from piyard.conversion import programs
from piyard.errors import DownloadFailed, WrongInput, unknown
from piyard.model import Model, Part
from piyard.originals import ncnn, onnx, torch
from piyard.originals.log_probabilities import LogProbabilities
from piyard.originals.original import Original
from piyard.originals.script import ScriptFile
from piyard.torchscript.program import SandboxedProgram
from piyard.weights import Chosen

ROUTES = ("trace", "script", "onnx", "pnnx", "ncnn")
OWN = {"onnx": "onnx", "torchscript": "script", "ncnn": "ncnn"}
"""Values of ``network`` that mean: the file of weights is the network, and its route."""
BIN: Part = "bin"
HEAD: Part = "head"
"""Parts: the .bin of an ncnn pair; the second net of a tracker of one object."""


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """The files a model is made of."""

    main: Chosen
    parts: dict[Part, Chosen] = {}

    @property
    def every(self) -> list[Chosen]:
        """All of them that are files."""
        return [file for file in (self.main, *self.parts.values()) if file.file]


def routes(model: Model) -> list[str]:
    """The routes a model can go, its own first."""
    own = OWN.get(model.network)
    if own == "ncnn":
        return [own]
    return [own, "pnnx"] if own else ["trace", "script", "onnx", "pnnx"]


def require_route(model: Model, route: str) -> str:
    """The route, or the model's own without one; ``WrongInput`` for one it cannot go."""
    if route and route not in ROUTES:
        raise unknown("route", route, ROUTES)
    if route and route not in routes(model):
        raise WrongInput(
            f"{model.title} cannot go the route '{route}': its file is of kind {model.network}",
            remedy=f"routes of this model: {', '.join(routes(model))}",
        )
    return route or routes(model)[0]


def choose(model: Model, *, random_weights: bool = False) -> Files:
    """The files that are taken. Raises as ``weights.choose`` does."""
    if not random_weights:
        parts = {name: weights_.choose(_only(model, file)) for name, file in model.parts.items()}
        return Files(main=weights_.choose(model), parts=parts)
    if model.network in OWN:
        raise WrongInput(
            f"{model.title} needs its file: random weights cannot replace it",
            remedy="leave out --random-weights",
        )
    return Files(main=weights_.RANDOM)


def of(model: Model, chosen: Chosen, *, route: str = "", ir: Path | None = None) -> Original:
    """The model's original, lowered by that route; its own one when none is named.

    Route ``pnnx`` begins with the PNNX IR in the folder ``ir``. Raises ``WrongInput`` for a route
    the model cannot go, ``DownloadFailed`` and ``ConversionFailed``.
    """
    return nets(model, Files(main=chosen), route=route, ir=ir)["model"]


def nets(
    model: Model, files: Files, *, route: str = "", ir: Path | None = None
) -> dict[str, Original]:
    """Each net of the model by its stem: ``model``, and ``head`` where a part is one."""
    way = require_route(model, route)
    main = _probable(model, _main(model, files, way, ir))
    if HEAD not in files.parts:
        return {"model": main}
    return {"model": main, HEAD: _head(model, main, files.parts[HEAD], way, ir)}


def _probable(model: Model, main: Original) -> Original:
    if model.activation != "exp":
        return main
    classes = len(models.labels(model))
    return LogProbabilities(inner=main, output=model.output, classes=classes)


def _main(model: Model, files: Files, way: str, ir: Path | None) -> Original:
    others: list[tuple[int, ...]] = [(3, *model.dynamic)] if model.dynamic else []
    if way == "ncnn":
        return ncnn.NcnnPair(param=path_of(files.main), bin=path_of(files.parts[BIN]))
    write = _write(model, way, ir)
    if model.network == "onnx":
        at = path_of(files.main)
        return onnx.load(at, [model.input], others=others, cut=model.cut, write=write)
    if model.network == "torchscript":
        program = SandboxedProgram(path_of(files.main), model.cut)
        return ScriptFile(program=program, shapes=[model.input], others=others, write=write)
    network = _built(model, files.main)
    return torch.TorchNetwork(network=network, shapes=[model.input], others=others, write=write)


def _head(model: Model, main: Original, chosen: Chosen, way: str, ir: Path | None) -> Original:
    """The head looks at what the backbone makes of the template and of where it searches."""
    import numpy as np

    sizes = (model.dynamic or model.input[1:], model.input[1:])
    shapes = [main.run(np.zeros((3, *size), np.float32))[0].shape for size in sizes]
    return onnx.load(path_of(chosen), shapes, stem=HEAD, write=_write(model, way, ir))


def _write(model: Model, way: str, ir: Path | None) -> programs.Write:
    if ir:
        return partial(programs.from_ir, ir)
    return programs.OF_FILES.get(model.network) or programs.WAYS[way]


def path_of(chosen: Chosen) -> Path:
    """Where the file is; it is downloaded when it is not here."""
    weights_.fetch(chosen)
    path = download.find(chosen.sha256)
    if not path:
        raise DownloadFailed(f"the file with sha256 {chosen.sha256} is gone again")
    return path


def _only(model: Model, file: models.Weights) -> Model:
    return msgspec.structs.replace(model, weights=[file])


def _built(model: Model, chosen: Chosen) -> object:
    classes = len(models.labels(model)) if model.labels else 0
    named = {"keypoints": _lines(models.listing(model.keypoints))} if model.keypoints else {}
    network = networks.build(model.network, classes, **named)
    weights_.fill(network, chosen)
    return network


def _lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())
