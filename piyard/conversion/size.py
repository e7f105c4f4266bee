"""What the layers of a network show: its parameters and operations, and what its outputs hold.

Counted are the layers that torch's FlopCounterMode counts as convolutions and matrices; the shapes
come from running the network once. ncnn has batch normalisation folded into the convolution before
it, so a network counted here may have fewer parameters than its authors state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from piyard import infer
from piyard.conversion.param import Layer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shape = tuple[int, ...]

CONVOLUTIONS = frozenset({"Convolution", "ConvolutionDepthWise", "Convolution1D"})
TRANSPOSED = frozenset({"Deconvolution", "DeconvolutionDepthWise"})
NORMALISED = {"GroupNorm": 1, "LayerNorm": 0, "InstanceNorm": 0, "BatchNorm": 0}
"""Layer → the setting that says how many values it scales and shifts."""


def count(
    folder: Path, inputs: Sequence[NDArray[np.float32]], stem: str = "model"
) -> dict[str, int]:
    """``params`` and ``macs`` of the network in the folder, for one inference of these inputs."""
    layers, net = infer.layers(folder, stem), infer.load(folder, stem)
    blobs = infer.blobs(net, layers, *inputs)
    shapes = {name: value.shape for name, value in blobs.items()}
    shapes |= {name: x.shape for name, x in zip(infer.inputs(net), inputs, strict=True)}
    return {
        "params": sum(params(layer) for layer in layers),
        "macs": sum(macs(layer, shapes) for layer in layers),
    }


def macs(layer: Layer, shapes: Mapping[str, Shape]) -> int:
    """Multiply-accumulates of a layer whose blobs have these shapes."""
    counted = _MACS.get(layer.type)
    return counted(layer, shapes) if counted else 0


def params(layer: Layer) -> int:
    """Number of values a layer has learnt."""
    counted = _PARAMS.get(layer.type)
    return counted(layer) if counted else 0


def _convolution(layer: Layer, shapes: Mapping[str, Shape]) -> int:
    return layer.number(6) * prod(shapes[layer.tops[0]][1:])


def _transposed(layer: Layer, shapes: Mapping[str, Shape]) -> int:
    return layer.number(6) * prod(shapes[layer.bottoms[0]][1:])


def _inner(layer: Layer, shapes: Mapping[str, Shape]) -> int:
    """An inner product of a matrix is one of each row; anything else is one vector."""
    shape = shapes[layer.bottoms[0]]
    return layer.number(2) * (shape[0] if len(shape) == 2 else 1)


def _matrices(layer: Layer, shapes: Mapping[str, Shape]) -> int:
    return prod(shapes[layer.tops[0]]) * shapes[layer.bottoms[0]][-1]


def _gemm(layer: Layer, shapes: Mapping[str, Shape]) -> int:
    """(M, K) x (K, N)."""
    first = shapes[layer.bottoms[0]] if layer.bottoms else ()
    if layer.number(4) or layer.number(5):
        depth = layer.number(9)
    else:
        depth = first[-2] if layer.number(2) else first[-1]
    return prod(shapes[layer.tops[0]]) * depth


def _attention(layer: Layer, shapes: Mapping[str, Shape]) -> int:
    """Query times key, and weights times value."""
    query, key, value = (shapes[name] for name in layer.bottoms[:3])
    heads, rows, depth = query[-3] if len(query) == 3 else 1, query[-2], query[-1]
    return heads * rows * key[-2] * (depth + value[-1])


def _weights_of_convolution(layer: Layer) -> int:
    return layer.number(6) + layer.number(5) * layer.number(0)


def _weights_of_inner(layer: Layer) -> int:
    return layer.number(2) + layer.number(1) * layer.number(0)


def _weights_of_gemm(layer: Layer) -> int:
    m, n, k = (layer.number(key) for key in (7, 8, 9))
    bias = {0: 1, 1: m, 2: m, 3: m * n, 4: n}.get(layer.number(10), 0)
    return layer.number(4) * m * k + layer.number(5) * k * n + layer.number(6) * bias


def _scale_and_shift(layer: Layer) -> int:
    return 2 * layer.number(NORMALISED[layer.type])


_MACS: dict[str, Callable[[Layer, Mapping[str, Shape]], int]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    **dict.fromkeys(TRANSPOSED, _transposed),
    "InnerProduct": _inner,
    "MatMul": _matrices,
    "Gemm": _gemm,
    "SDPA": _attention,
}
_PARAMS: dict[str, Callable[[Layer], int]] = {
    **dict.fromkeys(CONVOLUTIONS | TRANSPOSED, _weights_of_convolution),
    **dict.fromkeys(NORMALISED, _scale_and_shift),
    "InnerProduct": _weights_of_inner,
    "Gemm": _weights_of_gemm,
    "PReLU": lambda layer: layer.number(0),
    "Scale": lambda layer: layer.number(0) * (1 + layer.number(1)),
    "MemoryData": lambda layer: prod(max(1, layer.number(key)) for key in (0, 1, 11, 2)),
}
