"""A ready ncnn pair cut to some of its blobs: the layers that these need, and their weights.

A .bin holds weights layer by layer and says nowhere where a layer's begin. How far ncnn itself
reads for the first layers of a .param shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from piyard.convert.param import (
    PARAM_MAGIC,
    Layer,
    measure_weights,
    read_param,
    require_pair,
)
from piyard.core.errors import ConversionFailed, did_you_mean
from piyard.core.files import scratch_folder

WEIGHTLESS = frozenset(
    {
        *("BinaryOp", "Concat", "Crop", "Dropout", "Eltwise", "ExpandDims", "Flatten", "Input"),
        *("Interp", "Permute", "Pooling", "ReLU", "Reshape", "Sigmoid", "Slice", "Softmax"),
        *("Split", "Squeeze", "Swish", "UnaryOp"),
    }
)
"""Layers known to have no weights, whose place in the .bin need not be measured."""


def cut_pair(param: Path, weights: Path, blobs: Sequence[str], at: Path, stem: str) -> None:
    """Write <stem>.ncnn.param and .bin whose outputs out0, out1, … are these blobs.

    Raises ``ConversionFailed`` for a blob there is not, one that layers go on to read, and a pair
    that does not belong together.
    """
    require_pair(param, weights)
    layers = read_param(param)
    needed = _needed_layers(layers, blobs, param.name)
    kept = [_without_unread(layer, layers, needed, blobs) for layer in _chosen(layers, needed)]
    _require_ends(kept, blobs, param.name)
    names = {name: f"out{number}" for number, name in enumerate(blobs)}
    (at / f"{stem}.ncnn.param").write_text(format_param([_renamed(each, names) for each in kept]))
    with weights.open("rb") as source, (at / f"{stem}.ncnn.bin").open("wb") as target:
        for start, end in _kept_bytes(layers, needed, weights):
            _copy_bytes(source, target, start, end)


def format_param(layers: Sequence[Layer]) -> str:
    """The layers as a .param."""
    blobs = sum(len(layer.tops) for layer in layers)
    lines = [PARAM_MAGIC, f"{len(layers)} {blobs}", *map(_format_layer, layers)]
    return "\n".join(lines) + "\n"


def _format_layer(layer: Layer) -> str:
    settings = [f"{key}={value}" for key, value in layer.settings.items()]
    counts = [str(len(layer.bottoms)), str(len(layer.tops))]
    words = [layer.type, layer.name, *counts, *layer.bottoms, *layer.tops, *settings]
    return " ".join(words)


def _needed_layers(layers: Sequence[Layer], blobs: Sequence[str], file: str) -> set[int]:
    """The numbers of the layers that these blobs come from."""
    makers = {name: number for number, layer in enumerate(layers) for name in layer.tops}
    for name in blobs:
        if name not in makers:
            raise ConversionFailed(
                f"{file} has no blob '{name}'{did_you_mean(name, makers)}",
                remedy="correct `cut` in the model's YAML",
            )
    numbers: set[int] = set()
    pending = list(blobs)
    while pending:
        number = makers.get(pending.pop())
        if number is not None and number not in numbers:
            numbers.add(number)
            pending += layers[number].bottoms
    return numbers


def _chosen(layers: Sequence[Layer], numbers: set[int]) -> list[Layer]:
    return [layers[number] for number in sorted(numbers)]


def _without_unread(
    layer: Layer, layers: Sequence[Layer], needed: set[int], blobs: Sequence[str]
) -> Layer:
    """A Split without the copies that nobody reads any more: else they would be outputs."""
    if layer.type != "Split":
        return layer
    read = {name for other in _chosen(layers, needed) for name in other.bottoms} | set(blobs)
    return msgspec.structs.replace(layer, tops=[name for name in layer.tops if name in read])


def _require_ends(layers: Sequence[Layer], blobs: Sequence[str], file: str) -> None:
    read = {name for layer in layers for name in layer.bottoms}
    for name in blobs:
        if name in read:
            raise ConversionFailed(
                f"{file}: layers go on to read blob '{name}', so that it cannot be an output",
                remedy="correct `cut` in the model's YAML",
            )


def _renamed(layer: Layer, names: dict[str, str]) -> Layer:
    return msgspec.structs.replace(layer, tops=[names.get(name, name) for name in layer.tops])


def _kept_bytes(
    layers: Sequence[Layer], needed: set[int], weights: Path
) -> Iterator[tuple[int, int]]:
    """Begin and end of the needed layers' weights in the .bin, in order."""
    is_kept = [
        number in needed or (layer.type in WEIGHTLESS and number < max(needed))
        for number, layer in enumerate(layers)
    ]
    borders = [n for n in range(1, len(layers)) if is_kept[n] != is_kept[n - 1]]
    counts = [0, *borders, len(layers)]
    with scratch_folder("piyard-cut-") as scratch:
        offsets = [measure_first_layers(layers[:count], weights, scratch) for count in counts]
    for (first, _), (start, end) in zip(pairwise(counts), pairwise(offsets), strict=True):
        if is_kept[first]:
            yield start, end


def measure_first_layers(layers: Sequence[Layer], weights: Path, scratch: Path) -> int:
    """How many bytes these layers, the first ones, take of the .bin."""
    if not layers:
        return 0
    file = scratch / "first.param"
    file.write_text(format_param(layers))
    return measure_weights(file, weights)


def _copy_bytes(source: BinaryIO, target: Any, start: int, end: int) -> None:
    source.seek(start)
    left = end - start
    while left:
        block = source.read(min(left, 1 << 20))
        target.write(block)
        left -= len(block)
