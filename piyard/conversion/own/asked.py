"""What a user says of a network file, as flags have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from piyard import options
from piyard.errors import WrongInput


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says about the file; what is left out, the file says, or it is usual."""

    file: Path
    name: str
    task: str = ""
    size: str = ""
    """``3,416,416``, or with a batch of one in front."""
    head: str = ""
    labels: str = ""
    """A file of names, one a line, or one of models/labels/."""
    keypoints: str = ""
    strides: list[int] = []
    cut: list[str] = []
    output: str = ""
    """Of a classifier with several, the one with the classes."""
    activation: str = ""
    """What makes scores of it: softmax, sigmoid, exp or none."""
    preprocess: dict[str, Any] = {}
    """What differs from what is usual for the head."""
    licence: str = ""


def differing(*, fit: str, order: str, mean: str, norm: str, resize: str = "") -> dict[str, Any]:
    """The flags that were given, as the YAML's ``preprocess`` has them."""
    given: dict[str, Any] = {"fit": fit or ("crop" if resize else ""), "order": order}
    given["resize"] = options.whole("resize", resize)
    given |= {key: _triple(key, text) for key, text in (("mean", mean), ("norm", norm)) if text}
    return {key: value for key, value in given.items() if value}


def numbers(key: str, text: str) -> list[int]:
    """A list of whole numbers, as a flag has it."""
    parts = [part for part in text.split(",") if part]
    if not all(part.strip().isdigit() for part in parts):
        raise WrongInput(f"--{key} {text}", remedy="whole numbers, as 8,16,32")
    return [int(part) for part in parts]


def size(text: str) -> list[int]:
    """Channels, height, width."""
    sides = text.replace("x", ",").split(",")
    if not all(side.strip().isdigit() for side in sides) or len(sides) not in {3, 4}:
        raise WrongInput(f"--input {text}", remedy="channels,height,width, as 3,416,416")
    told = [int(side) for side in sides]
    if len(told) == 4 and told[0] != 1:
        raise WrongInput(f"--input {text}: a batch of {told[0]}", remedy="piyard runs one picture")
    return told[-3:]


def _triple(key: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise WrongInput(f"--{key} {text}", remedy="three numbers, as 1.5,2,3") from None
