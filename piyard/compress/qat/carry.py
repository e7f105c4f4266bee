"""Between torch's layers and ncnn's: what PTQ found is where training begins, and back.

pnnx gives layers names of its own; they are known by their weights, which are the same in both.

torch and torchao are imported with this module, so whoever needs it imports it late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from piyard.compress.ptq.layers import STATIC_TYPES, find_weight_scales
from piyard.compress.ptq.pair import BIAS, WEIGHT, WeightedLayer
from piyard.compress.ptq.quantise import Quantised
from piyard.compress.ptq.table import Table
from piyard.compress.qat.fake_int8 import LARGEST
from piyard.compress.qat.network import Int8Layer, Int8Network
from piyard.core.errors import ConversionFailed

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


MOST_DIFFERENT = 1e-3
"""Of the largest weight: norms are taken into weights in another order of rounding."""


def match_layers(network: Int8Network, pair: Sequence[WeightedLayer]) -> list[str]:
    """ncnn's name of each of the network's layers, in their order; ``pair`` is not equalised.

    Raises ``ConversionFailed`` where one is not there.
    """
    free = {each.name: each for each in pair if each.layer.type in STATIC_TYPES and each.tensors}
    names = []
    for number, layer in enumerate(network.layers, 1):
        ours = _flat(layer.weights)
        name = next((name for name, each in free.items() if _is_same(ours, each)), None)
        if name is None:
            raise ConversionFailed(
                f"layer {number} of {len(network.layers)} with int8 is none of the converted "
                f"network's (its weights are {' x '.join(map(str, layer.weights.shape))})",
                remedy="--method ptq quantises this network",
            )
        names.append(name)
        del free[name]
    return names


def _is_same(ours: Floats, weighted: WeightedLayer) -> bool:
    theirs = weighted.weight
    if ours.size != theirs.size:
        return False
    return bool(np.abs(ours - theirs).max() <= MOST_DIFFERENT * np.abs(ours).max())


def _flat(values: torch.Tensor) -> Floats:
    flat: Floats = values.detach().cpu().numpy().ravel()
    return flat


def begin_with(network: Int8Network, names: Sequence[str], quantised: Quantised) -> None:
    """Let the network compute what PTQ's int8 file computes: its weights, biases and scales."""
    by_name = {each.name: each for each in quantised.corrected}
    for layer, name in zip(network.layers, names, strict=True):
        _put(layer.weights, by_name[name].tensors[WEIGHT].values)
        if layer.bias is not None:
            _put(layer.bias, by_name[name].tensors[BIAS].values)
    network.start([LARGEST / quantised.table.inputs[name] for name in names])


def _put(parameter: torch.nn.Parameter, values: Floats) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))


def take_layers(
    network: Int8Network, names: Sequence[str], quantised: Quantised
) -> tuple[list[WeightedLayer], Table]:
    """ncnn's layers in fp32 with what was learnt, and the table that makes them int8."""
    learnt = dict(zip(names, network.layers, strict=True))
    layers = [
        _with_learnt(each, learnt[each.name]) if each.name in learnt else each
        for each in quantised.exact
    ]
    by_name: Mapping[str, WeightedLayer] = {each.name: each for each in layers}
    table = Table(
        weights={name: find_weight_scales(by_name[name]) for name in learnt},
        inputs={name: layer.inputs.scale for name, layer in learnt.items()},
    )
    return layers, table


def _with_learnt(weighted: WeightedLayer, layer: Int8Layer) -> WeightedLayer:
    changed = {WEIGHT: _flat(layer.weights)}
    if layer.bias is not None:
        changed[BIAS] = _flat(layer.bias)
    return weighted.with_tensors(**changed)
