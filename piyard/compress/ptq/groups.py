"""Blobs of a network whose channels may only be scaled together.

What is added must be of one scale, and a copy has that of what it is a copy of: all blobs along a
residual network's main path are a group. A group can be scaled where only convolutions write to it,
none of which is cut at a limit, and only convolutions and inner products read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from piyard.compress.ptq.layers import is_depthwise
from piyard.compress.ptq.pair import WeightedLayer
from piyard.convert.param import Layer

PASSING = frozenset({"Split", "ReLU", "Pooling", "Flatten"})
"""Types that give twice as much for twice as much, channel by channel."""
ADD_OPERATION, SUM_OPERATION = 0, 1
"""What the setting 0 of BinaryOp and of Eltwise is for an addition."""
ELTWISE_COEFFICIENTS = "-23301"
ACTIVATION_KEY, PROPORTIONAL = 9, frozenset({0, 1, 2})
"""Of a convolution: no activation, a ReLU or a leaky one (ncnn's src/layer/fused_activation.h)."""


class Group(NamedTuple):
    """Layers around such blobs."""

    writers: list[WeightedLayer]
    readers: list[WeightedLayer]


def find_groups(layers: Sequence[WeightedLayer]) -> Iterator[Group]:
    """Those that can be scaled, in the order of their first layers."""
    lines = [each.layer for each in layers]
    group_of = _join_blobs(lines)
    read = {name for layer in lines for name in layer.bottoms}
    outputs = {group_of[name] for name in group_of if name not in read}
    by_group: dict[str, Group] = {}
    for each in layers:
        if not _joins(each.layer):
            for name in each.layer.tops:
                by_group.setdefault(group_of[name], Group([], [])).writers.append(each)
            for name in each.layer.bottoms:
                by_group[group_of[name]].readers.append(each)
    for key, group in by_group.items():
        if key not in outputs and group.readers and _can_be_scaled(group):
            yield group


def _join_blobs(lines: Sequence[Layer]) -> dict[str, str]:
    """Blob → one of its group, the same for all of them."""
    members: dict[str, list[str]] = {}
    for layer in lines:
        for name in layer.tops:
            members[name] = [name]
        if _joins(layer):
            joined = [*layer.bottoms, *layer.tops]
            together = list(dict.fromkeys(each for name in joined for each in members[name]))
            for name in together:
                members[name] = together
    return {name: together[0] for name, together in members.items()}


def _joins(layer: Layer) -> bool:
    if layer.type == "BinaryOp":
        return len(layer.bottoms) == 2 and layer.number(0) == ADD_OPERATION
    if layer.type == "Eltwise":
        is_plain = ELTWISE_COEFFICIENTS not in layer.settings
        return is_plain and layer.number(0) == SUM_OPERATION
    return layer.type in PASSING


def _can_be_scaled(group: Group) -> bool:
    channels = {each.layer.number(0) for each in group.writers}
    return (
        len(channels) == 1
        and all(_is_plain(each) and _keeps_proportions(each) for each in group.writers)
        and all(_is_plain(each) or _is_inner_product(each) for each in group.readers)
    )


def _keeps_proportions(weighted: WeightedLayer) -> bool:
    """Whether its activation gives twice as much for twice as much."""
    return weighted.layer.number(ACTIVATION_KEY) in PROPORTIONAL


def _is_plain(weighted: WeightedLayer) -> bool:
    """Whether it is a convolution whose weights are known, each channel for itself or all."""
    layer = weighted.layer
    is_convolution = layer.type == "Convolution" or is_depthwise(layer)
    return is_convolution and bool(weighted.tensors) and not float(layer.settings.get("18", 0))


def _is_inner_product(weighted: WeightedLayer) -> bool:
    return weighted.layer.type == "InnerProduct" and bool(weighted.tensors)
