"""The files a model is made of: its weights, and further parts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from piyard.convert.routes import FILE_ROUTES
from piyard.core.download import find_file, known_sha256
from piyard.core.errors import DownloadFailed, WrongInput
from piyard.models.definition import Model, Part
from piyard.models.weights import RANDOM_WEIGHTS, ChosenWeights, choose_weights, fetch_weights
from piyard.models.weights_file import Weights

BIN_PART: Part = "bin"
GRAPH_PART: Part = "graph"
HEAD_PART: Part = "head"
TOKENIZER_PART: Part = "tokenizer"
"""Parts: the .bin of an ncnn pair; the ONNX file exported from a checkpoint; the second net of a
tracker of one object; the tokenizer of an encoder of texts."""


class ModelFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files a model is made of."""

    main: ChosenWeights
    parts: dict[Part, ChosenWeights] = {}

    @property
    def network(self) -> ChosenWeights:
        """The file that the network is in: exported from the weights, or they themselves."""
        return self.parts.get(GRAPH_PART, self.main)

    @property
    def every(self) -> list[ChosenWeights]:
        """All of them that are files."""
        return [file for file in (self.main, *self.parts.values()) if file.file]


def choose_files(model: Model, *, random_weights: bool = False) -> ModelFiles:
    """The files that are taken. Raises as ``weights.choose`` does."""
    if not random_weights:
        parts = {
            name: choose_weights(_with_only(model, file)) for name, file in model.parts.items()
        }
        return ModelFiles(main=choose_weights(model), parts=parts)
    if model.network in FILE_ROUTES or model.variant:
        raise WrongInput(
            f"{model.title} needs its file: random weights cannot replace it",
            remedy="leave out --random-weights",
        )
    return ModelFiles(main=RANDOM_WEIGHTS, parts=_tokenizer_if_here(model))


def _tokenizer_if_here(model: Model) -> dict[Part, ChosenWeights]:
    """Random weights need no tokenizer: without one, bytes are tokens."""
    file = model.parts.get(TOKENIZER_PART)
    sha256 = known_sha256(file.digest) if file and file.digest else None
    return {TOKENIZER_PART: ChosenWeights(file=file, sha256=sha256)} if sha256 else {}


def weights_path(chosen: ChosenWeights) -> Path:
    """Where the file is; it is downloaded when it is not here."""
    fetch_weights(chosen)
    path = find_file(chosen.sha256)
    if not path:
        raise DownloadFailed(f"the file with sha256 {chosen.sha256} is gone again")
    return path


def _with_only(model: Model, file: Weights) -> Model:
    return msgspec.structs.replace(model, weights=[file])
