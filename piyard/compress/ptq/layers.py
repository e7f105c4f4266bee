"""Which layers of a network can be int8, and a network with some of them so.

What each type loads when it is quantised is in load_model of ncnn's src/layer/: convolution.cpp
(``8=2``, a scale an output channel, then that of the input), convolutiondepthwise.cpp (``8=1``, a
scale a group), innerproduct.cpp, embed.cpp (``18=2``, one scale), gemm.cpp (a scale a row of A, one
of B; what it multiplies is scaled row by row as it comes) and multiheadattention.cpp.

A convolution whose result only convolutions read may hand them int8 (``8=102``, ``8=101``): its
numbers leave it rounded by the scale that the next ones read them with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.compress.ptq.pair import (
    INPUT_SCALE,
    OUTPUT_SCALE,
    WEIGHT,
    WEIGHT_SCALES,
    Tensor,
    WeightedLayer,
)
from piyard.compress.ptq.rounding import round_to_int8, scales_of_rows
from piyard.compress.ptq.table import Table
from piyard.convert.param import INT8_SETTINGS, MASK_KEY, Layer
from piyard.core.errors import WrongInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from piyard.vision.schema import Floats

CONVOLUTIONS = frozenset({"Convolution", "ConvolutionDepthWise"})
STATIC_TYPES = CONVOLUTIONS | {"InnerProduct"}
"""Types whose input has one scale, found by calibration."""
ATTENTION_WEIGHTS = ("q", "k", "v", "out")
REQUANTISED = 100
"""Added to the setting of a layer that hands on int8."""
NO_WINOGRAD = 64
"""Bit of a layer's mask (ncnn's docs/developer-guide/layer-feat-mask.md)."""


def is_depthwise(layer: Layer) -> bool:
    """Whether each channel is for itself; a grouped convolution is not."""
    return (
        layer.type == "ConvolutionDepthWise"
        and layer.number(0) == layer.number(7, 1)
        and layer.number(6) == layer.number(0) * kernel_area(layer)
    )


def kernel_area(layer: Layer) -> int:
    """Weights of a kernel's window."""
    return layer.number(1) * layer.number(11, layer.number(1))


def may_use_winograd(layer: Layer) -> bool:
    """Whether ncnn would compute it by Winograd in int8, on CPUs without dot products.

    Weights of 8 bits overflow there.
    """
    stride, dilation = layer.number(3, 1), layer.number(2, 1)
    return (
        layer.type == "Convolution"
        and (layer.number(1), layer.number(11, layer.number(1))) == (3, 3)
        and (stride, layer.number(13, stride)) == (1, 1)
        and (dilation, layer.number(12, dilation)) == (1, 1)
    )


def can_be_int8(weighted: WeightedLayer) -> bool:
    """Whether ncnn has it in int8, with weights that do not change."""
    layer = weighted.layer
    if layer.type in CONVOLUTIONS:
        return WEIGHT in weighted.tensors and not float(layer.settings.get("18", 0))
    if layer.type == "Gemm":
        return "b" in weighted.tensors
    return layer.type in {"InnerProduct", "Embed", "MultiHeadAttention"}


def quantisable_layers(layers: Iterable[WeightedLayer]) -> list[WeightedLayer]:
    """Those that can be int8."""
    return [layer for layer in layers if can_be_int8(layer)]


def weight_rows(weighted: WeightedLayer) -> Floats:
    """(scales, weights of one): the weights that share a scale are a row."""
    layer = weighted.layer
    if layer.type == "ConvolutionDepthWise":
        return weighted.weight.reshape(layer.number(7, 1), -1)
    if layer.type == "Embed":
        return weighted.weight.reshape(1, -1)
    return weighted.weight.reshape(layer.number(0), -1)


def find_weight_scales(weighted: WeightedLayer) -> dict[int, list[float]]:
    """Of each of its weight tensors: the largest weight of a row becomes 127."""
    layer = weighted.layer
    if layer.type == "MultiHeadAttention":
        return {n: scales_of_rows(_attention_rows(weighted, n)) for n in range(4)}
    if layer.type == "Gemm":
        scales = {1: scales_of_rows(weighted.tensors["b"].values.reshape(1, -1))}
        return scales | (
            {0: scales_of_rows(_gemm_rows(weighted))} if "a" in weighted.tensors else {}
        )
    return {0: scales_of_rows(weight_rows(weighted))}


def _attention_rows(weighted: WeightedLayer, number: int) -> Floats:
    """A row for each number of the embedding; of the last projection one for all."""
    values = weighted.tensors[ATTENTION_WEIGHTS[number]].values
    rows: Floats = values.reshape(1 if number == 3 else weighted.layer.number(0), -1)
    return rows


def _gemm_rows(weighted: WeightedLayer) -> Floats:
    """A as (M, K), whichever way it is stored."""
    m, k = weighted.layer.number(7), weighted.layer.number(9)
    values: Floats = weighted.tensors["a"].values
    return values.reshape(k, m).T if weighted.layer.number(2) else values.reshape(m, k)


def quantise_layers(
    layers: Sequence[WeightedLayer], table: Table, *, chains: bool = True
) -> list[WeightedLayer]:
    """The network with the table's layers in int8, and int8 handed on wherever that is possible.

    Without ``chains`` every layer writes floats.

    Raises ``WrongInput`` for a table that is another network's.
    """
    _require_fitting(layers, table)
    handed_on = find_chains([each.layer for each in layers], table) if chains else {}
    return [
        _quantise(each, table, handed_on.get(each.name)) if each.name in table.weights else each
        for each in layers
    ]


def _require_fitting(layers: Sequence[WeightedLayer], table: Table) -> None:
    by_name = {each.name: each for each in quantisable_layers(layers)}
    for name, scales in table.weights.items():
        if name not in by_name:
            raise WrongInput(f"the table has scales for '{name}', which is not a layer to quantise")
        expected = find_weight_scales(by_name[name])
        counts = {n: len(values) for n, values in expected.items()}
        if counts != {n: len(values) for n, values in scales.items()}:
            raise WrongInput(f"the table has another number of scales than '{name}' has channels")
        if by_name[name].layer.type in STATIC_TYPES and name not in table.inputs:
            raise WrongInput(f"the table has no scale for what '{name}' reads")


def find_chains(layers: Sequence[Layer], table: Table) -> dict[str, float]:
    """Layers that can hand on int8 → the scale that all who read it read it with."""
    readers = _find_readers(layers)
    chains = {}
    for layer in layers:
        read_by = readers.get(layer.tops[0], []) if len(layer.tops) == 1 else []
        names = [each.name for each in read_by if each and _is_in_chain(each, table)]
        scales = {table.inputs[name] for name in names}
        if _is_in_chain(layer, table) and len(names) == len(read_by) and len(scales) == 1:
            chains[layer.name] = scales.pop()
    return chains


def _is_in_chain(layer: Layer, table: Table) -> bool:
    is_plain = layer.type == "Convolution" or is_depthwise(layer)
    return is_plain and layer.name in table.weights


def _find_readers(layers: Sequence[Layer]) -> Mapping[str, list[Layer | None]]:
    """Blob → the layers that read it or a copy of it; None is who takes a copy as an output."""
    source = find_sources(layers)
    read = {name for layer in layers for name in layer.bottoms}
    readers: dict[str, list[Layer | None]] = {}
    for layer in layers:
        if layer.type == "Split":
            outputs = [name for name in layer.tops if name not in read]
            readers.setdefault(source[layer.bottoms[0]], []).extend([None] * len(outputs))
        else:
            for name in layer.bottoms:
                readers.setdefault(source[name], []).append(layer)
    return readers


def find_sources(layers: Sequence[Layer]) -> dict[str, str]:
    """Blob → the blob that it is a copy of, through any number of Splits, or itself."""
    source: dict[str, str] = {}
    for layer in layers:
        for name in layer.tops:
            source[name] = (
                source.get(layer.bottoms[0], layer.bottoms[0]) if layer.type == "Split" else name
            )
    return source


def _quantise(weighted: WeightedLayer, table: Table, output_scale: float | None) -> WeightedLayer:
    layer, scales = weighted.layer, table.weights[weighted.name]
    setting = 1 if layer.type == "ConvolutionDepthWise" else 2
    if output_scale is not None:
        setting += REQUANTISED
    settings = dict(layer.settings) | {str(INT8_SETTINGS[layer.type]): str(setting)}
    if may_use_winograd(layer):
        mask = layer.number(MASK_KEY) | NO_WINOGRAD
        settings[str(MASK_KEY)] = str(mask)
    tensors = dict(weighted.tensors) | _int8_weights(weighted, scales)
    tensors |= {f"{WEIGHT_SCALES} {n}": _bare(scales[n]) for n in sorted(scales)}
    if layer.type in STATIC_TYPES:
        tensors[INPUT_SCALE] = _bare([table.inputs[layer.name]])
    if output_scale is not None:
        tensors[OUTPUT_SCALE] = _bare([output_scale])
    return WeightedLayer(layer=msgspec.structs.replace(layer, settings=settings), tensors=tensors)


def _int8_weights(weighted: WeightedLayer, scales: Mapping[int, list[float]]) -> dict[str, Tensor]:
    layer = weighted.layer
    if layer.type == "MultiHeadAttention":
        return {
            ATTENTION_WEIGHTS[n]: _rounded(_attention_rows(weighted, n), scales[n]) for n in scales
        }
    if layer.type == "Gemm":
        weights = {"b": _rounded(weighted.tensors["b"].values.reshape(1, -1), scales[1])}
        if 0 in scales:
            a = _rounded(_gemm_rows(weighted), scales[0]).values
            m, k = layer.number(7), layer.number(9)
            weights["a"] = Tensor(
                (a.reshape(m, k).T if layer.number(2) else a).ravel(), tagged=True
            )
        return weights
    return {WEIGHT: _rounded(weight_rows(weighted), scales[0])}


def _rounded(rows: Floats, scales: Sequence[float]) -> Tensor:
    import numpy as np

    column: NDArray[Any] = np.array(scales, np.float32)[:, None]
    return Tensor(round_to_int8(rows, column).ravel(), tagged=True)


def _bare(values: Sequence[float]) -> Tensor:
    import numpy as np

    return Tensor(np.array(values, np.float32), tagged=False)
