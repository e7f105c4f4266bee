"""What an output holds follows from the last layers (the twin of runner/src/vision/classifier.cpp).

A softmax of probabilities would flatten them, and a logit shown as a score means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from piyard.conversion.param import Layer

Ending = Literal["logits", "probabilities", "log-probabilities"]
ACTIVATIONS = frozenset({"softmax", "sigmoid"})
DEEPEST = 8
"""Nested joins and sums that are followed."""

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
    """The operation a tensor is the result of."""

    @property
    def kind(self) -> str:
        """``softmax``, ``sigmoid``, ``log``, ``divide``, ``sum``, ``complement``, ``join``."""

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the tensors it reads."""


class Made(NamedTuple):
    """A layer of ncnn as a ``Maker``."""

    kind: str
    inputs: Sequence[str]


def of_layers(layers: Sequence[Layer], output: str) -> Ending:
    """What that output of a network of these layers holds."""
    return ending(makers(layers), output)


def makers(layers: Sequence[Layer]) -> dict[str, Made]:
    """Blob → the layer it is the result of."""
    return {name: Made(_kind(layer), layer.bottoms) for layer in layers for name in layer.tops}


def ending(producers: Mapping[str, Maker], output: str, depth: int = DEEPEST) -> Ending:
    """What the tensor holds.

    Reshaping and clipping change nothing; results of a softmax or a sigmoid, values divided by
    their sum, and what is joined of such, are probabilities.
    """
    producer = _maker(producers, output)
    if producer is None or not depth:
        return "logits"

    def is_probability(name: str) -> bool:
        return ending(producers, name, depth - 1) == "probabilities"

    inputs = producer.inputs
    if producer.kind == "log_softmax" or (producer.kind == "log" and is_probability(inputs[0])):
        return "log-probabilities"
    parts = [name for name in inputs if name in producers and producers[name].kind != "constant"]
    composed = producer.kind in {"join", "complement"} and bool(parts)
    if (composed and all(map(is_probability, parts))) or _is_probable(producers, producer):
        return "probabilities"
    return "logits"


def _is_probable(producers: Mapping[str, Maker], producer: Maker) -> bool:
    if producer.kind != "divide" or len(producer.inputs) < 2:
        return producer.kind in ACTIVATIONS
    divisor = _maker(producers, producer.inputs[1])
    return divisor is not None and divisor.kind == "sum"


def _maker(producers: Mapping[str, Maker], name: str) -> Maker | None:
    """The operation whose result the tensor is, however it was reshaped since."""
    visited: set[str] = set()
    producer = producers.get(name)
    while producer is not None and producer.kind in {"passing", "reshape"} and producer.inputs:
        name = producer.inputs[0]
        producer = None if name in visited else producers.get(name)
        visited.add(name)
    return producer


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
