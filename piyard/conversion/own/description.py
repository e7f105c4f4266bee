"""The YAML of a user's own model: what was said, and what is usual where nothing was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import digest
from piyard.conversion.own import asked as flags
from piyard.conversion.own import assumed, classifying, cutting, usual
from piyard.conversion.own.asked import Asked
from piyard.conversion.own.classifying import Classes
from piyard.conversion.own.listing import Listing
from piyard.errors import WrongInput
from piyard.heads import classes
from piyard.model import Model

NO_LICENCE = "the user's own"
MAIN = ""
"""The part that a model's own network is."""
CHANNELS = 3


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A YAML's keys, and what is to be said of them."""

    keys: dict[str, Any]
    assumed: list[str]
    """What nobody said, a line each."""
    found: str = ""
    """How a classifier ends, where that decides."""


def describe(
    asked: Asked, network: str, files: Mapping[str, Path], listed: Mapping[str, Listing]
) -> Described:
    """The YAML. ``listed`` are its lists of names, by key.

    Raises ``WrongInput`` for what no model can be, and what ``cutting.found`` raises.
    """
    purpose = usual.purpose(network)
    task, head = asked.task or purpose.task, asked.head or purpose.head
    size = flags.size(asked.size or purpose.size)
    _require_pictures(asked, size)
    weights = {part: _weights(asked, file) for part, file in files.items()}
    main = weights.pop(MAIN)
    preprocess = usual.preprocess(head, size[1], asked.preprocess)
    _require_square(asked, size, preprocess)
    ends = _classes(asked, network, files[MAIN], size, listed) if task == "classify" else Classes()
    words = {"input": f"input {','.join(map(str, size))}"} | assumed.told(preprocess) | ends.assumed
    unsaid = [*assumed.unsaid(asked.preprocess.keys(), size=asked.size), *ends.assumed]
    strides = asked.strides or list(purpose.strides)
    told = {
        "title": asked.name,
        "task": task,
        "network": network,
        "weights": [main],
        "parts": weights,
        "input": size,
        "preprocess": preprocess,
        "noise": usual.noise(preprocess),
        **{key: one.name for key, one in listed.items()},
        "output": ends.output,
        "activation": ends.activation if ends.activation != classes.AUTO else "",
        "assumed": unsaid,
        "head": {"kind": head} | ({"strides": strides} if strides else {}) if head else {},
        "cut": asked.cut,
    }
    said = {key: value for key, value in told.items() if value}
    model = _model(said)
    found = [] if asked.cut else cutting.found(files[MAIN], model)
    return Described(
        keys=said | ({"cut": found} if found else {}),
        assumed=[assumed.line(fact, words[fact]) for fact in unsaid],
        found=ends.found,
    )


def _classes(
    asked: Asked, network: str, file: Path, size: Sequence[int], listed: Mapping[str, Listing]
) -> Classes:
    given = classifying.read(file, network, size, asked.cut)
    return classifying.choose(
        given, output=asked.output, activation=asked.activation, labels=listed["labels"].count
    )


def _require_pictures(asked: Asked, size: Sequence[int]) -> None:
    if size[0] == CHANNELS:
        return
    last = "; it has the channels last: export it with them first" if size[2] == CHANNELS else ""
    raise WrongInput(
        f"{asked.file.name} takes an input of {','.join(map(str, size))}, and not channels, "
        f"height, width of a picture of {CHANNELS} channels",
        remedy=f"piyard feeds colour pictures{last}",
    )


def _require_square(asked: Asked, size: Sequence[int], preprocess: Mapping[str, Any]) -> None:
    if preprocess["fit"] == "crop" and size[1] != size[2]:
        raise WrongInput(
            f"{asked.file.name} takes {size[1]}x{size[2]}, which is not square, and nobody says "
            "how a picture fits into it",
            remedy="--fit stretch, or --fit letterbox where its proportions were kept",
        )


def _model(described: Mapping[str, Any]) -> Model:
    try:
        return msgspec.convert(described, Model)
    except msgspec.ValidationError as error:
        raise WrongInput(
            f"the model cannot be described so: {error}", remedy="invoke --help model.add"
        ) from None


def _weights(asked: Asked, file: Path) -> dict[str, str]:
    return {
        "source": file.name,
        "licence": asked.licence or NO_LICENCE,
        "dataset": "not told",
        "sha256": digest.of_file(file),
    }
