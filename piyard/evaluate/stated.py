"""How a model's own file says that a picture is prepared.

An original that is fed as the model's YAML says would confirm whatever is wrong there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from piyard import originals
from piyard.conversion.own import assumed, said
from piyard.conversion.own.kind import CHECKPOINT
from piyard.model import FILES, Model
from piyard.model.steps import Preprocess
from piyard.originals.choose import path_of


def of(model: Model) -> Model:
    """The model as its file says it is prepared; itself where the file says nothing else."""
    file = path_of(originals.choose(model).main)
    kind = model.network if model.network in FILES else CHECKPOINT
    stated = said.of(file, kind).preprocess(model.task, ",".join(map(str, model.input)))
    prepared = assumed.merged(msgspec.to_builtins(model.preprocess), stated)
    return msgspec.structs.replace(model, preprocess=msgspec.convert(prepared, Preprocess))


def notes(model: Model, name: str) -> list[str]:
    """Where the original is not fed as the YAML says, a line."""
    other = _differing(model)
    return [f"fed as its file says, and not {name}.yaml: {other}"] if other else []


def _differing(model: Model) -> str:
    own, stated = (_told(each.preprocess) for each in (model, of(model)))
    return ", ".join(text for fact, text in stated.items() if own.get(fact) != text)


def _told(preprocess: Preprocess) -> dict[str, Any]:
    return assumed.told(msgspec.to_builtins(preprocess))
