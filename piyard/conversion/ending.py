"""What a net's output already is, as its last layers say: as in runner/src/vision/classifier.cpp.

A softmax of probabilities would flatten them, and a logit shown as a score means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from piyard.conversion.param import Layer

Ending = Literal["logits", "probabilities", "log-probabilities"]
ACTIVATIONS = frozenset({"softmax", "sigmoid"})
DEEPEST = 8
"""Sums and joins within each other."""

LOG, DIVIDE, RSUB, SUM = 8, 3, 7, 0
"""Operations of ncnn's UnaryOp, BinaryOp and Reduction."""
OF_NCNN = {
    "Softmax": "softmax",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "sigmoid",
    "Concat": "join",
} | dict.fromkeys(
    [
        "Clip",
        "Crop",
        "Dropout",
        "ExpandDims",
        "Flatten",
        "Noop",
        "Permute",
        "Reshape",
        "Split",
        "Squeeze",
    ],
    "passing",
)


class Maker(Protocol):
    """What makes a tensor, and from which ones."""

    @property
    def kind(self) -> str:
        """``softmax``, ``sigmoid``, ``log``, ``divide``, ``sum``, ``complement``, ``join``."""

    @property
    def inputs(self) -> Sequence[str]:
        """The tensors it reads, by name."""


class Made(NamedTuple):
    """A ``Maker``."""

    kind: str
    inputs: Sequence[str]


def of_layers(layers: Sequence[Layer], output: str) -> Ending:
    """What that output of a .param is."""
    return ending(makers(layers), output)


def makers(layers: Sequence[Layer]) -> dict[str, Made]:
    """Blob → what makes it."""
    return {name: Made(_kind(one), one.bottoms) for one in layers for name in one.tops}


def ending(makers: Mapping[str, Maker], output: str, depth: int = DEEPEST) -> Ending:
    """What the tensor is.

    Reshaping and clipping change nothing; a softmax, a sigmoid, values divided by their sum, and
    what is put together of such, are probabilities.
    """
    made = _maker(makers, output)
    if made is None or not depth:
        return "logits"

    def probable(name: str) -> bool:
        return ending(makers, name, depth - 1) == "probabilities"

    if made.kind == "log_softmax" or (made.kind == "log" and probable(made.inputs[0])):
        return "log-probabilities"
    parts = [name for name in made.inputs if name in makers and makers[name].kind != "constant"]
    whole = made.kind in {"join", "complement"} and bool(parts) and all(map(probable, parts))
    return "probabilities" if whole or _is_probable(makers, made) else "logits"


def _is_probable(makers: Mapping[str, Maker], made: Maker) -> bool:
    if made.kind != "divide" or len(made.inputs) < 2:
        return made.kind in ACTIVATIONS
    by = _maker(makers, made.inputs[1])
    return by is not None and by.kind == "sum"


def _maker(makers: Mapping[str, Maker], name: str) -> Maker | None:
    """What makes the tensor, whatever reshapes it."""
    seen: set[str] = set()
    made = makers.get(name)
    while made is not None and made.kind in {"passing", "reshape"} and made.inputs:
        name = made.inputs[0]
        made = None if name in seen else makers.get(name)
        seen.add(name)
    return made


def _kind(layer: Layer) -> str:
    operation = layer.settings.get("0", "0")
    if layer.type == "UnaryOp" and operation == str(LOG):
        return "log"
    if layer.type == "Reduction" and operation == str(SUM):
        return "sum"
    if layer.type == "BinaryOp" and operation == str(DIVIDE) and len(layer.bottoms) == 2:
        return "divide"
    if layer.type == "BinaryOp" and operation == str(RSUB) and len(layer.bottoms) == 1:
        return "complement"
    return OF_NCNN.get(layer.type, "other")
