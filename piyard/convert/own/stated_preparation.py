"""A model prepared as its file says: what its original is fed in an evaluation."""

from __future__ import annotations

import msgspec

from piyard.convert.model_files import GRAPH_PART, choose_files, weights_path
from piyard.convert.own.defaults import (
    CHECKPOINT,
)
from piyard.convert.own.file_metadata import read_metadata
from piyard.convert.own.preparation import describe_preprocess, merge_preprocess
from piyard.models.definition import FILE_NETWORKS, Model
from piyard.vision.schema import Preprocess


def as_file_says(model: Model) -> Model:
    """The model as its file says it is prepared; itself where the file says nothing else."""
    files, kind = choose_files(model), model.network
    if kind not in FILE_NETWORKS or GRAPH_PART in files.parts:
        kind = CHECKPOINT
    metadata = read_metadata(weights_path(files.main), kind)
    stated = metadata.preprocess(model.task, ",".join(map(str, model.input)))
    prepared = merge_preprocess(msgspec.to_builtins(model.preprocess), stated)
    return msgspec.structs.replace(model, preprocess=msgspec.convert(prepared, Preprocess))


def preparation_notes(model: Model, name: str) -> list[str]:
    """Where the original is not fed as the YAML says, a line."""
    other = _preparation_difference(model)
    return [f"fed as its file says, and not {name}.yaml: {other}"] if other else []


def _preparation_difference(model: Model) -> str:
    own, stated = (_described_steps(each.preprocess) for each in (model, as_file_says(model)))
    return ", ".join(text for fact, text in stated.items() if own.get(fact) != text)


def _described_steps(preprocess: Preprocess) -> dict[str, str]:
    return describe_preprocess(msgspec.to_builtins(preprocess))
