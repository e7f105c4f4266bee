"""What the outputs of a network hold: logits, probabilities, or something else.

It follows from the last layers (the twin of runner/src/vision/classifier.cpp): a softmax of
probabilities would flatten them, and a logit shown as a score means nothing. Of several outputs of
a classifier one holds the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from piyard.convert.param import Layer
from piyard.core.errors import WrongInput, did_you_mean
from piyard.vision.tasks.classify import OutputKind

PROBABILITY_LAYERS = frozenset({"softmax", "sigmoid"})
MAX_DEPTH = 8
"""Nested joins and sums that are followed."""

UNARY_LOG, BINARY_DIV, BINARY_RSUB, REDUCTION_SUM = 8, 3, 7, 0
"""Operations of ncnn's UnaryOp, BinaryOp and Reduction."""
NCNN_KINDS = {
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


class Producer(Protocol):
    """The operation a tensor is the result of."""

    @property
    def kind(self) -> str:
        """``softmax``, ``sigmoid``, ``log``, ``divide``, ``sum``, ``complement``, ``join``."""

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the tensors it reads."""


class LayerProducer(NamedTuple):
    """A layer of ncnn as a ``Producer``."""

    kind: str
    inputs: Sequence[str]


def layer_output_kind(layers: Sequence[Layer], output: str) -> OutputKind:
    """What that output of a network of these layers holds."""
    return output_kind(find_producers(layers), output)


def find_producers(layers: Sequence[Layer]) -> dict[str, LayerProducer]:
    """Blob → the layer it is the result of."""
    return {
        name: LayerProducer(_layer_kind(layer), layer.bottoms)
        for layer in layers
        for name in layer.tops
    }


def output_kind(
    producers: Mapping[str, Producer], output: str, depth: int = MAX_DEPTH
) -> OutputKind:
    """What the tensor holds.

    Reshaping and clipping change nothing; results of a softmax or a sigmoid, values divided by
    their sum, and what is joined of such, are probabilities.
    """
    producer = _find_producer(producers, output)
    if producer is None or not depth:
        return "logits"

    def is_probability(name: str) -> bool:
        return output_kind(producers, name, depth - 1) == "probabilities"

    inputs = producer.inputs
    if producer.kind == "log_softmax" or (producer.kind == "log" and is_probability(inputs[0])):
        return "log-probabilities"
    parts = [name for name in inputs if name in producers and producers[name].kind != "constant"]
    composed = producer.kind in {"join", "complement"} and bool(parts)
    if (composed and all(map(is_probability, parts))) or _is_probability(producers, producer):
        return "probabilities"
    return "logits"


def _is_probability(producers: Mapping[str, Producer], producer: Producer) -> bool:
    if producer.kind != "divide" or len(producer.inputs) < 2:
        return producer.kind in PROBABILITY_LAYERS
    divisor = _find_producer(producers, producer.inputs[1])
    return divisor is not None and divisor.kind == "sum"


def _find_producer(producers: Mapping[str, Producer], name: str) -> Producer | None:
    """The operation whose result the tensor is, however it was reshaped since."""
    visited: set[str] = set()
    producer = producers.get(name)
    while producer is not None and producer.kind in {"passing", "reshape"} and producer.inputs:
        name = producer.inputs[0]
        producer = None if name in visited else producers.get(name)
        visited.add(name)
    return producer


def _layer_kind(layer: Layer) -> str:
    operation = layer.settings.get("0", "0")
    if layer.type == "UnaryOp" and operation == str(UNARY_LOG):
        return "log"
    if layer.type == "Reduction" and operation == str(REDUCTION_SUM):
        return "sum"
    if layer.type == "BinaryOp" and operation == str(BINARY_DIV) and len(layer.bottoms) == 2:
        return "divide"
    if layer.type == "BinaryOp" and operation == str(BINARY_RSUB) and len(layer.bottoms) == 1:
        return "complement"
    return NCNN_KINDS.get(layer.type, "other")


def choose_output(output: str, names: Sequence[str], sizes: Sequence[int], classes: int) -> int:
    """The index of ``output``: one of ``names``, which the file has, or ``out0`` and so on.

    Without ``output``: the only one, or the only one with as many values as there are classes.
    Raises ``WrongInput``.
    """
    if output:
        return _index_by_name(output, names, sizes)
    if len(names) == 1:
        return 0
    fit = [number for number, size in enumerate(sizes) if can_hold_classes(size, classes)]
    if len(fit) == 1:
        return fit[0]
    how_many = "several have" if fit else "none has"
    raise WrongInput(
        f"the network has {len(names)} outputs, and {how_many} as many values as there are labels "
        f"({classes}): {list_outputs(names, sizes)}",
        remedy="name the one with the classes: --output, or `output` in the model's YAML",
    )


def can_hold_classes(size: int, classes: int) -> bool:
    """Whether so many values can be scores of so many classes; two classes need only one value."""
    return size == classes or (size == 1 and classes == 2)


def list_outputs(names: Sequence[str], sizes: Sequence[int]) -> str:
    """Outputs, each with its number of values."""
    return ", ".join(f"{name} ({size})" for name, size in zip(names, sizes, strict=True))


def _index_by_name(output: str, names: Sequence[str], sizes: Sequence[int]) -> int:
    numbered = [f"out{number}" for number in range(len(names))]
    for candidates in (list(names), numbered):
        if output in candidates:
            return candidates.index(output)
    raise WrongInput(
        f"the network has no output '{output}'{did_you_mean(output, names)}",
        remedy=f"its outputs: {list_outputs(names, sizes)}",
    )
