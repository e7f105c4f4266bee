"""Which layers have to stay in fp32 for a net to work in fp16.

Each layer is measured for how much fp16 alone costs it; those that lose most are kept in fp32
first, as few as bring the outputs over the threshold. With all layers kept a net computes in fp32:
so there is always an answer, but one that keeps most of the net does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from piyard import infer
from piyard.conversion.param import Layer
from piyard.proof.diverge import distance
from piyard.proof.pair import Pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

MOST = 0.25
"""The largest share of the layers that may stay in fp32."""


def fewest(
    order: Sequence[str], well: Callable[[set[str]], bool], most_of_all: float | None = None
) -> set[str]:
    """The first so many names whose sparing makes all ``well``; none when that takes too many.

    ``order`` has those first that lose most; at most ``MOST`` of them are taken.
    """
    most = int((MOST if most_of_all is None else most_of_all) * len(order))
    few, many = 0, min(1, most)
    while many and not well(set(order[:many])):
        few, many = many, min(2 * many, most) if many < most else 0
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if well(set(order[:middle])) else (middle, many)
    return set(order[:many])


def by_loss(nets: Pair, inputs: Sequence[Array]) -> list[str]:
    """All layers, those first that lose most in fp16; after one that overflows, its readers.

    ``inputs`` are one array for each of its inputs.
    """
    exact = infer.blobs(nets.full, nets.layers, *inputs)
    blobs = exact | dict(zip(infer.inputs(nets.full), inputs, strict=True))
    working = [layer for layer in nets.layers if layer.type != "Input"]
    return in_order(working, {layer.name: _loss(nets, layer, blobs) for layer in working})


def in_order(working: Sequence[Layer], lost: Mapping[str, float]) -> list[str]:
    """Names of layers, by what each loses; one that reads what overflowed loses as much."""
    spilt = {name for layer in working if lost[layer.name] == float("inf") for name in layer.tops}
    all_lost = {layer.name for layer in working if spilt & set(layer.bottoms)}
    counted = {**lost, **dict.fromkeys(all_lost, float("inf"))}
    return sorted(counted, key=lambda name: -counted[name])


def _loss(nets: Pair, layer: Layer, blobs: dict[str, Array]) -> float:
    """How far the layer's output is from the exact one when it alone computes in fp16."""
    inputs = [blobs[name] for name in layer.bottoms]
    rounded = infer.one_rounded(nets.half, layer, inputs)
    return max(distance(blobs[name], rounded[name]) for name in layer.tops)
