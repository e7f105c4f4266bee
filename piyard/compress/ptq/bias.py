"""What rounding adds to each channel on average, taken from its bias.

A layer's rounded weights differ from its own; times what it reads on average, that is a shift of
every output of the channel (Nagel et al., Data-free quantization through weight equalization and
bias correction, 2019, section 4.2, with means that were measured). A window's place at a picture's
border is not taken into account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from piyard.compress.ptq.calibration import Observed
from piyard.compress.ptq.layers import STATIC_TYPES, is_depthwise, kernel_area, weight_rows
from piyard.compress.ptq.pair import BIAS, WeightedLayer
from piyard.compress.ptq.rounding import snap
from piyard.compress.ptq.table import Table

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


def correct_biases(
    layers: Sequence[WeightedLayer], table: Table, seen: Observed
) -> list[WeightedLayer]:
    """The layers with the biases that suit their weights in int8."""
    return [
        _corrected(each, table, seen)
        if each.name in table.inputs and BIAS in each.tensors
        else each
        for each in layers
    ]


def _corrected(weighted: WeightedLayer, table: Table, seen: Observed) -> WeightedLayer:
    if weighted.layer.type not in STATIC_TYPES:
        return weighted
    shift = _mean_shift(weighted, table, seen.read_by(weighted.layer).means)
    if shift is None:
        return weighted
    return weighted.with_tensors(bias=weighted.tensors[BIAS].values - shift)


def _mean_shift(weighted: WeightedLayer, table: Table, means: Floats) -> Floats | None:
    """Of each output channel; None where it is not known which weight reads which channel."""
    import numpy as np

    layer, rows = weighted.layer, weight_rows(weighted)
    scales = np.array(table.weights[layer.name][0], np.float32)[:, None]
    errors = snap(rows, scales) - rows
    if is_depthwise(layer):
        shift: Floats = errors.sum(axis=1) * means
        return shift
    if layer.type == "ConvolutionDepthWise":
        return None
    area = 1 if layer.type == "InnerProduct" else kernel_area(layer)
    by_channel = errors.reshape(layer.number(0), -1, area).sum(axis=2)
    if layer.type == "InnerProduct" and len(means) and by_channel.shape[1] % len(means) == 0:
        by_channel = by_channel.reshape(layer.number(0), len(means), -1).sum(axis=2)
    if by_channel.shape[1] != len(means):
        return None
    product: Floats = by_channel @ means
    return product
