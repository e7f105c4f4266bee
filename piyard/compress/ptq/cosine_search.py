"""Scales moved to where each layer's own output is most alike: equal cosine, as ncnn's ``eq``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.compress.ptq.layers import STATIC_TYPES, weight_rows
from piyard.compress.ptq.pair import WEIGHT, WeightedLayer, write_weighted_layers
from piyard.compress.ptq.rounding import snap
from piyard.compress.ptq.similarity import distance
from piyard.compress.ptq.table import Table
from piyard.convert.ncnn_net import NET_STEM, input_blobs, load_net, run_all_blobs, run_layer
from piyard.convert.param import Layer
from piyard.core.files import scratch_folder

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

FACTORS = (0.8, 0.9, 1.0, 1.15, 1.3, 1.5)
"""Of a scale: smaller ones cut less, larger ones round less."""
SEARCH_INPUTS = 4


def move_scales(
    layers: Sequence[WeightedLayer], table: Table, inputs: Iterable[tuple[Floats, ...]]
) -> Table:
    """The table with each input's scale times the factor that is best for the layer that reads it.

    Layers that read the same go on reading it by one scale: the sum of their distances counts.
    Floats stand for int8 here: whole numbers of a scale multiply and add the same.
    """
    lines = [each.layer for each in layers if each.name in table.inputs]
    totals = {layer.name: dict.fromkeys(FACTORS, 0.0) for layer in lines}
    with scratch_folder("piyard-cosine-") as folder:
        nets = []
        for name, written in (("exact", layers), ("rough", _round_weights(layers, table))):
            (folder / name).mkdir()
            write_weighted_layers(written, folder / name, NET_STEM)
            nets.append(load_net(folder / name))
        every = [each.layer for each in layers]
        for values in inputs:
            blobs = run_all_blobs(nets[0], every, *values)
            blobs |= dict(zip(input_blobs(every), values, strict=True))
            for layer in lines:
                for factor in FACTORS:
                    scale = table.inputs[layer.name] * factor
                    totals[layer.name][factor] += _distance(nets[1], layer, blobs, scale)
    return msgspec.structs.replace(table, inputs=_best_scales(table, totals))


def _round_weights(layers: Sequence[WeightedLayer], table: Table) -> list[WeightedLayer]:
    """Floats that int8 has for them."""
    import numpy as np

    rounded = []
    for each in layers:
        if each.name in table.inputs and each.layer.type in STATIC_TYPES and WEIGHT in each.tensors:
            column = np.array(table.weights[each.name][0], np.float32)[:, None]
            rounded.append(each.with_tensors(weight=snap(weight_rows(each), column).ravel()))
        else:
            rounded.append(each)
    return rounded


def _distance(rough: Any, layer: Layer, blobs: dict[str, Floats], scale: float) -> float:
    read = [snap(blobs[name], scale) for name in layer.bottoms]
    (top,) = layer.tops
    return distance(blobs[top], run_layer(rough, layer, read)[top])


def _best_scales(table: Table, totals: dict[str, dict[float, float]]) -> dict[str, float]:
    """Layers of one scale stay together: they may be read from one blob, as int8."""
    together: dict[float, list[str]] = {}
    for name, scale in table.inputs.items():
        together.setdefault(scale, []).append(name)
    scales: dict[str, float] = {}
    for scale, names in together.items():
        sums = {factor: sum(totals[name][factor] for name in names) for factor in FACTORS}
        best = min(FACTORS, key=lambda factor: sums[factor])
        scales |= dict.fromkeys(names, scale * best)
    return {name: scales[name] for name in table.inputs}
