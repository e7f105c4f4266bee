"""What a user states about a network file, by flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from piyard import options
from piyard.errors import WrongInput


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the user states about the file; the rest comes from the file, or is a default."""

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
    """What turns it into scores: softmax, sigmoid, exp or none."""
    preprocess: dict[str, Any] = {}
    """What differs from the defaults for the head."""
    licence: str = ""


def differing(*, fit: str, order: str, mean: str, norm: str, resize: str = "") -> dict[str, Any]:
    """The flags that were set, as keys of the YAML's ``preprocess``."""
    flags: dict[str, Any] = {"fit": fit or ("crop" if resize else ""), "order": order}
    flags["resize"] = options.whole("resize", resize)
    flags |= {key: _triple(key, text) for key, text in (("mean", mean), ("norm", norm)) if text}
    return {key: value for key, value in flags.items() if value}


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
    shape = [int(side) for side in sides]
    if len(shape) == 4 and shape[0] != 1:
        raise WrongInput(
            f"--input {text}: a batch of {shape[0]}", remedy="piyard runs one picture at a time"
        )
    return shape[-3:]


def _triple(key: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise WrongInput(f"--{key} {text}", remedy="three numbers, as 1.5,2,3") from None
