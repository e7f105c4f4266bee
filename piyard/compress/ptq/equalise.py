"""Channels brought to the same range, from one layer to the next, with the same result.

What a layer writes to a channel may be divided by a number if the next layer's weights for that
channel are multiplied by it, and nothing but a ReLU is between (Nagel et al., Data-free
quantization through weight equalization and bias correction, 2019, section 4.1). ncnn has a scale
for each output channel's weights and a single one for all that a layer reads. So it is the ranges
of what is read that are made alike, as far as the next layer's weights bear it: a depthwise one
bears all of it.

A ReLU6 cuts at 6 whatever the channel was divided by: only channels that stay below it are changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from piyard.compress.ptq.calibration import Observed
from piyard.compress.ptq.layers import find_sources, is_depthwise, kernel_area
from piyard.compress.ptq.pair import BIAS, WeightedLayer

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

RELU, LEAKY_RELU, CLIP = 1, 2, 3
"""ncnn's numbers of activations (src/layer/fused_activation.h)."""
ACTIVATION_KEY, ACTIVATION_VALUES = 9, ("-23310", "10")
MOST = 64.0
"""No channel is multiplied by more: a channel of nothing would become noise."""
BELOW_CLIP = 0.9
"""Of a clip's limit: as far as channels may reach in the pictures seen."""


def equalise_channels(
    layers: Sequence[WeightedLayer], seen: Observed
) -> tuple[list[WeightedLayer], list[str]]:
    """The same network, and the names of the layers whose output channels were changed."""
    changed = {each.name: each for each in layers}
    done = []
    for first, second in _pairs(layers):
        factors = _factors(changed[first.name], changed[second.name], seen)
        if factors is not None:
            changed[first.name] = _divide_outputs(changed[first.name], factors)
            changed[second.name] = _multiply_inputs(changed[second.name], factors)
            done.append(first.name)
    return [changed[each.name] for each in layers], done


def _pairs(layers: Sequence[WeightedLayer]) -> Iterator[tuple[WeightedLayer, WeightedLayer]]:
    """A convolution, and the one that alone reads what it writes."""
    lines = [each.layer for each in layers]
    source = find_sources(lines)
    readers: dict[str, list[WeightedLayer]] = {}
    for each in layers:
        if each.layer.type != "Split":
            for name in each.layer.bottoms:
                readers.setdefault(source[name], []).append(each)
    split = {source[each.bottoms[0]] for each in lines if each.type == "Split"}
    for each in layers:
        if _is_plain(each) and each.layer.tops[0] not in split:
            read_by = readers.get(each.layer.tops[0], [])
            if len(read_by) == 1 and _is_plain(read_by[0]):
                yield each, read_by[0]


def _is_plain(weighted: WeightedLayer) -> bool:
    layer = weighted.layer
    is_convolution = layer.type == "Convolution" or is_depthwise(layer)
    return is_convolution and bool(weighted.tensors) and not float(layer.settings.get("18", 0))


def _factors(first: WeightedLayer, second: WeightedLayer, seen: Observed) -> Floats | None:
    """What each channel is divided by; None where all stay."""
    import numpy as np

    limit = _limit(first)
    peaks = seen.read_by(second.layer).peaks.astype(float)
    if limit is None or len(peaks) != first.layer.number(0) or not peaks.any():
        return None
    factors = peaks / peaks.max()
    if not is_depthwise(second.layer):
        factors = np.sqrt(factors) * _weight_share(second, len(peaks))
    factors = np.clip(np.where(peaks > 0, factors, 1), 1 / MOST, 1)
    stays_below = peaks < BELOW_CLIP * limit
    factors = np.where(stays_below, np.maximum(factors, peaks / (BELOW_CLIP * limit)), 1)
    return None if np.allclose(factors, 1) else factors.astype(np.float32)


def _limit(first: WeightedLayer) -> float | None:
    """What its activation cuts at; None of one that does not keep to proportions."""
    layer = first.layer
    activation = layer.number(ACTIVATION_KEY)
    if activation in {0, RELU, LEAKY_RELU}:
        return float("inf")
    if activation != CLIP:
        return None
    text = next((layer.settings[key] for key in ACTIVATION_VALUES if key in layer.settings), "")
    values = [float(each) for each in text.split(",")][-2:]
    return values[1] if len(values) == 2 and values[0] == 0 and values[1] > 0 else None


def _weight_share(second: WeightedLayer, channels: int) -> Floats:
    """Less where its weights for a channel are already large: those would set its scale."""
    import numpy as np

    weights = second.weight.reshape(second.layer.number(0), channels, -1)
    ranges = np.abs(weights).max(axis=(0, 2))
    share: Floats = np.sqrt(np.where(ranges > 0, ranges.max() / np.maximum(ranges, 1e-12), 1))
    return np.minimum(share, MOST)


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
    weights = weighted.weight.reshape(layer.number(0), len(factors), kernel_area(layer))
    return weighted.with_tensors(weight=(weights * factors[None, :, None]).ravel())
