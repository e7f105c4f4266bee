"""Channels brought to the same range, from one layer to the next, with the same result.

What a layer writes to a channel may be divided by a number if the next layer's weights for that
channel are multiplied by it, and nothing but a ReLU is between (Nagel et al., Data-free
quantization through weight equalization and bias correction, 2019, section 4.1). ncnn has a scale
for each output channel's weights and a single one for all that a layer reads. So it is the ranges
of what is read that are made alike, as far as the next layer's weights bear it: a depthwise one
bears all of it. What is added up, and read by several layers, is scaled for all of them at once
(groups.py).

A ReLU6 cuts at 6 whatever the channel was divided by: what it writes stays as it is. Channels that
stay below 6 in the pictures seen go over it in others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from piyard.compress.ptq.calibration import Observed
from piyard.compress.ptq.groups import Group, find_groups
from piyard.compress.ptq.layers import is_depthwise
from piyard.compress.ptq.pair import BIAS, WeightedLayer

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

MOST = 64.0
"""No channel is multiplied by more: a channel of nothing would become noise."""
TINY = 1e-6


def equalise_channels(
    layers: Sequence[WeightedLayer], seen: Observed
) -> tuple[list[WeightedLayer], list[str]]:
    """The same network, and the names of the layers whose output channels were changed."""
    changed = {each.name: each for each in layers}
    done = []
    for group in find_groups(layers):
        writers, readers = ([changed[each.name] for each in some] for some in group)
        factors = _factors(Group(writers, readers), seen)
        if factors is not None:
            changed |= {each.name: _divide_outputs(each, factors) for each in writers}
            changed |= {
                each.name: _multiply_inputs(changed[each.name], factors) for each in readers
            }
            done += [each.name for each in writers]
    return [changed[each.name] for each in layers], done


def _factors(group: Group, seen: Observed) -> Floats | None:
    """What each channel is divided by; None where all stay."""
    import numpy as np

    channels = group.writers[0].layer.number(0)
    read = {id(of): of.peaks for of in (seen.read_by(each.layer) for each in group.readers)}
    reach = _reach(list(read.values()), channels)
    if reach is None:
        return None
    if not all(is_depthwise(each.layer) for each in group.readers):
        reach = np.sqrt(reach) * _weight_share(group.readers, channels)
    lively = np.max(list(read.values()), axis=0) > 0
    factors = np.clip(np.where(lively, reach, 1), 1 / MOST, 1)
    return None if np.allclose(factors, 1) else factors.astype(np.float32)


def _reach(read: Sequence[Floats], channels: int) -> Floats | None:
    """How far each channel reaches of the widest one, the mean of the blobs.

    None of zeros, and of blobs of another number of channels.
    """
    import numpy as np

    if not all(peaks.any() and len(peaks) == channels for peaks in read):
        return None
    shares = [np.maximum(peaks.astype(float) / peaks.max(), TINY) for peaks in read]
    reach: Floats = np.exp(np.mean(np.log(shares), axis=0)).astype(np.float32)
    return reach


def _weight_share(readers: Sequence[WeightedLayer], channels: int) -> Floats:
    """Less where their weights for a channel are already large: those would set their scales."""
    import numpy as np

    widest: list[Floats] = []
    for each in readers:
        if not is_depthwise(each.layer):
            weights = each.weight.reshape(each.layer.number(0), channels, -1)
            ranges = np.abs(weights).max(axis=(0, 2))
            widest.append(ranges / max(float(ranges.max()), TINY))
    share: Floats = 1 / np.sqrt(np.maximum(np.max(widest, axis=0), 1 / MOST**2))
    return share


def _divide_outputs(weighted: WeightedLayer, factors: Floats) -> WeightedLayer:
    rows = weighted.weight.reshape(len(factors), -1) / factors[:, None]
    changed = weighted.with_tensors(weight=rows.ravel())
    if BIAS in weighted.tensors:
        changed = changed.with_tensors(bias=weighted.tensors[BIAS].values / factors)
    return changed


def _multiply_inputs(weighted: WeightedLayer, factors: Floats) -> WeightedLayer:
    layer = weighted.layer
    if is_depthwise(layer):
        rows = weighted.weight.reshape(len(factors), -1) * factors[:, None]
        return weighted.with_tensors(weight=rows.ravel())
    weights = weighted.weight.reshape(layer.number(0), len(factors), -1)
    return weighted.with_tensors(weight=(weights * factors[None, :, None]).ravel())
