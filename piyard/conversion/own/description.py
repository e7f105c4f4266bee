"""The YAML of a user's own model: what was said, and what is usual where nothing was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from piyard import digest
from piyard.conversion.own import asked as flags
from piyard.conversion.own import cutting, usual
from piyard.conversion.own.asked import Asked
from piyard.errors import WrongInput
from piyard.model import Model

NO_LICENCE = "the user's own"
MAIN = ""
"""The part that a model's own network is."""


def describe(
    asked: Asked, network: str, files: Mapping[str, Path], listed: Mapping[str, str]
) -> dict[str, Any]:
    """The keys of the YAML. ``listed`` are the names of its lists in models/labels/.

    Raises ``WrongInput`` for what no model can be, and what ``cutting.found`` raises.
    """
    purpose = usual.purpose(network)
    task, head = asked.task or purpose.task, asked.head or purpose.head
    size = flags.size(asked.size or purpose.size)
    weights = {part: _weights(asked, file) for part, file in files.items()}
    main = weights.pop(MAIN)
    preprocess = usual.preprocess(head, size[1], asked.preprocess)
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
        **listed,
        "head": {"kind": head} | ({"strides": strides} if strides else {}) if head else {},
        "cut": asked.cut,
    }
    said = {key: value for key, value in told.items() if value}
    model = _model(said)
    found = [] if asked.cut else cutting.found(files[MAIN], model)
    return said | ({"cut": found} if found else {})


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
