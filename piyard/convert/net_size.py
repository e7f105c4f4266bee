"""The parameters and the operations of networks, counted.

Counted are the layers that torch's FlopCounterMode counts as convolutions and matrices; the shapes
come from running the network once. ncnn has batch normalisation folded into the convolution before
it, so a network counted here may have fewer parameters than its authors state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.convert.ncnn_net import load_net, net_inputs, read_layers, run_all_blobs
from piyard.convert.param import Layer
from piyard.convert.proof_inputs import make_inputs
from piyard.convert.reference import ReferenceModel
from piyard.core.store import NetSize
from piyard.models.definition import Model

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


def net_sizes(model: Model, nets: Mapping[str, ReferenceModel], at: Path) -> dict[str, NetSize]:
    """Of one inference of each network."""
    feeds = make_inputs(model, nets, ()).items()
    inputs = {stem: feed["noise"][0] for stem, feed in feeds}
    return {stem: _net_size(net, at, inputs[stem], stem) for stem, net in nets.items()}


def _net_size(net: ReferenceModel, at: Path, inputs: Sequence[Floats], stem: str) -> NetSize:
    size = net.size()
    return NetSize(**size) if size else count_operations(at, inputs, stem)


def count_operations(folder: Path, inputs: Sequence[Floats], stem: str = "model") -> NetSize:
    """The size of the network in the folder, for one inference of these inputs."""
    layers, net = read_layers(folder, stem), load_net(folder, stem)
    blobs = run_all_blobs(net, layers, *inputs)
    shapes = {name: value.shape for name, value in blobs.items()}
    shapes |= {name: x.shape for name, x in zip(net_inputs(net), inputs, strict=True)}
    return NetSize(
        params=sum(count_params(layer) for layer in layers),
        macs=sum(count_macs(layer, shapes) for layer in layers),
    )


BlobShape = tuple[int, ...]

CONVOLUTION_LAYERS = frozenset({"Convolution", "ConvolutionDepthWise", "Convolution1D"})
TRANSPOSED_LAYERS = frozenset({"Deconvolution", "DeconvolutionDepthWise"})
NORMALISATION_LAYERS = {"GroupNorm": 1, "LayerNorm": 0, "InstanceNorm": 0, "BatchNorm": 0}
"""Layer → the setting that says how many values it scales and shifts."""


def count_macs(layer: Layer, shapes: Mapping[str, BlobShape]) -> int:
    """Multiply-accumulates of a layer whose blobs have these shapes."""
    counted = _MACS.get(layer.type)
    return counted(layer, shapes) if counted else 0


def count_params(layer: Layer) -> int:
    """Number of values a layer has learnt."""
    counted = _PARAMS.get(layer.type)
    return counted(layer) if counted else 0


def _convolution_macs(layer: Layer, shapes: Mapping[str, BlobShape]) -> int:
    return layer.number(6) * prod(shapes[layer.tops[0]][1:])


def _transposed_macs(layer: Layer, shapes: Mapping[str, BlobShape]) -> int:
    return layer.number(6) * prod(shapes[layer.bottoms[0]][1:])


def _inner_product_macs(layer: Layer, shapes: Mapping[str, BlobShape]) -> int:
    """An inner product of a matrix is one of each row; anything else is one vector."""
    shape = shapes[layer.bottoms[0]]
    return layer.number(2) * (shape[0] if len(shape) == 2 else 1)


def _matmul_macs(layer: Layer, shapes: Mapping[str, BlobShape]) -> int:
    return prod(shapes[layer.tops[0]]) * shapes[layer.bottoms[0]][-1]


def _gemm_macs(layer: Layer, shapes: Mapping[str, BlobShape]) -> int:
    """(M, K) x (K, N)."""
    first = shapes[layer.bottoms[0]] if layer.bottoms else ()
    if layer.number(4) or layer.number(5):
        depth = layer.number(9)
    else:
        depth = first[-2] if layer.number(2) else first[-1]
    return prod(shapes[layer.tops[0]]) * depth


def _attention_macs(layer: Layer, shapes: Mapping[str, BlobShape]) -> int:
    """Query times key, and weights times value."""
    query, key, value = (shapes[name] for name in layer.bottoms[:3])
    heads, rows, depth = query[-3] if len(query) == 3 else 1, query[-2], query[-1]
    return heads * rows * key[-2] * (depth + value[-1])


def _convolution_params(layer: Layer) -> int:
    return layer.number(6) + layer.number(5) * layer.number(0)


def _inner_product_params(layer: Layer) -> int:
    return layer.number(2) + layer.number(1) * layer.number(0)


def _gemm_params(layer: Layer) -> int:
    m, n, k = (layer.number(key) for key in (7, 8, 9))
    bias = {0: 1, 1: m, 2: m, 3: m * n, 4: n}.get(layer.number(10), 0)
    return layer.number(4) * m * k + layer.number(5) * k * n + layer.number(6) * bias


def _normalisation_params(layer: Layer) -> int:
    return 2 * layer.number(NORMALISATION_LAYERS[layer.type])


_MACS: dict[str, Callable[[Layer, Mapping[str, BlobShape]], int]] = {
    **dict.fromkeys(CONVOLUTION_LAYERS, _convolution_macs),
    **dict.fromkeys(TRANSPOSED_LAYERS, _transposed_macs),
    "InnerProduct": _inner_product_macs,
    "MatMul": _matmul_macs,
    "Gemm": _gemm_macs,
    "SDPA": _attention_macs,
}
_PARAMS: dict[str, Callable[[Layer], int]] = {
    **dict.fromkeys(CONVOLUTION_LAYERS | TRANSPOSED_LAYERS, _convolution_params),
    **dict.fromkeys(NORMALISATION_LAYERS, _normalisation_params),
    "InnerProduct": _inner_product_params,
    "Gemm": _gemm_params,
    "PReLU": lambda layer: layer.number(0),
    "Scale": lambda layer: layer.number(0) * (1 + layer.number(1)),
    "MemoryData": lambda layer: prod(max(1, layer.number(key)) for key in (0, 1, 11, 2)),
}
