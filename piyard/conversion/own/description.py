"""The YAML of a user's own model: what was stated, else defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piyard import digest
from piyard.conversion.own import asked, assumed, classifying, cutting, usual
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
    """A YAML's keys, and notes on them for the user."""

    keys: dict[str, Any]
    assumed: list[str]
    """Facts that nobody stated, a line each."""
    ending: str = ""
    """A note where a classifier's ending decides its activation."""


def describe(
    options: Asked, network: str, files: Mapping[str, Path], name_lists: Mapping[str, Listing]
) -> Described:
    """The YAML. ``name_lists`` are its lists of names, by key.

    Raises ``WrongInput`` for what cannot be a model, and what ``cutting.found`` raises.
    """
    purpose = usual.purpose(network)
    task, head = options.task or purpose.task, options.head or purpose.head
    size = asked.size(options.size or purpose.size)
    _require_pictures(options, size)
    weights = {part: _weights(options, file) for part, file in files.items()}
    main = weights.pop(MAIN)
    preprocess = usual.preprocess(head, size[1], options.preprocess)
    _require_square(options, size, preprocess)
    ends = (
        _classes(options, network, files[MAIN], size, name_lists)
        if task == "classify"
        else Classes()
    )
    texts = {"input": f"input {','.join(map(str, size))}"} | assumed.told(preprocess) | ends.assumed
    unstated = [*assumed.unsaid(options.preprocess.keys(), size=options.size), *ends.assumed]
    strides = options.strides or list(purpose.strides)
    keys = {
        "title": options.name,
        "task": task,
        "network": network,
        "weights": [main],
        "parts": weights,
        "input": size,
        "preprocess": preprocess,
        "noise": usual.noise(preprocess),
        **{key: name_list.name for key, name_list in name_lists.items()},
        "output": ends.output,
        "activation": ends.activation if ends.activation != classes.AUTO else "",
        "assumed": unstated,
        "head": {"kind": head} | ({"strides": strides} if strides else {}) if head else {},
        "cut": options.cut,
    }
    keys = {key: value for key, value in keys.items() if value}
    model = _model(keys)
    cut = [] if options.cut else cutting.found(files[MAIN], model)
    return Described(
        keys=keys | ({"cut": cut} if cut else {}),
        assumed=[assumed.line(fact, texts[fact]) for fact in unstated],
        ending=ends.ending,
    )


def _classes(
    options: Asked, network: str, file: Path, size: Sequence[int], name_lists: Mapping[str, Listing]
) -> Classes:
    outputs = classifying.read(file, network, size, options.cut)
    return classifying.choose(
        outputs,
        output=options.output,
        activation=options.activation,
        labels=name_lists["labels"].count,
    )


def _require_pictures(options: Asked, size: Sequence[int]) -> None:
    if size[0] == CHANNELS:
        return
    last = "; it has the channels last: export it with them first" if size[2] == CHANNELS else ""
    raise WrongInput(
        f"{options.file.name} takes an input of {','.join(map(str, size))}, and not channels, "
        f"height, width of a picture of {CHANNELS} channels",
        remedy=f"piyard feeds colour pictures{last}",
    )


def _require_square(options: Asked, size: Sequence[int], preprocess: Mapping[str, Any]) -> None:
    if preprocess["fit"] == "crop" and size[1] != size[2]:
        raise WrongInput(
            f"{options.file.name} takes {size[1]}x{size[2]}, which is not square, and how a "
            "picture fits into it is not stated",
            remedy="--fit stretch, or --fit letterbox where the aspect ratio was kept",
        )


def _model(described: Mapping[str, Any]) -> Model:
    try:
        return msgspec.convert(described, Model)
    except msgspec.ValidationError as error:
        raise WrongInput(
            f"this does not describe a model: {error}", remedy="invoke --help model.add"
        ) from None


def _weights(options: Asked, file: Path) -> dict[str, str]:
    return {
        "source": file.name,
        "licence": options.licence or NO_LICENCE,
        "dataset": "not told",
        "sha256": digest.of_file(file),
    }
