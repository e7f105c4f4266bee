"""The layer at which a converted network begins to compute something else than its original.

Names do not survive the conversion, values do: each blob of ncnn is looked for among everything the
original computes on its way. A layer whose output is nowhere to be found there is at fault when
nothing after it is found again either; otherwise it was only put together differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from piyard.convert.mask_search import relative_distance
from piyard.convert.ncnn_net import NetPair, run_all_blobs
from piyard.convert.param import Layer

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

SAME_WITHIN = 1e-3
"""Largest length of the difference of two tensors, as a part of their own length."""


def first_diverging(
    net: Any, layers: Sequence[Layer], computed: Iterable[tuple[str, Floats]], *values: Floats
) -> Layer | None:
    """The first layer at fault, given what the original computes of ``values``."""
    computed_tensors = _by_size(values, computed)
    blobs = run_all_blobs(net, layers, *values)
    right = {name: _is_computed(value, computed_tensors) for name, value in blobs.items()}
    return first_lost_layer(layers, right)


def first_diverging_fp16(nets: NetPair, *values: Floats, alike: float) -> Layer | None:
    """The first layer whose output fp16 storage moves further than ``alike``, for good."""
    exact = run_all_blobs(nets.full, nets.layers, *values)
    rounded = nets.all_blobs_fp16(*values)
    right = {
        name: relative_distance(value, rounded[name]) <= alike for name, value in exact.items()
    }
    return first_lost_layer(nets.layers, right)


def first_lost_layer(layers: Sequence[Layer], right: Mapping[str, bool]) -> Layer | None:
    """The first layer with a wrong output from which no right blob follows."""
    recovers: dict[str, bool] = {}
    lost: Layer | None = None
    for layer in reversed(layers):
        if layer.type == "Input":
            continue
        well = any(right[name] or recovers.get(name, False) for name in layer.tops)
        for name in layer.bottoms:
            recovers[name] = recovers.get(name, False) or well
        lost = lost if well else layer
    return lost


def describe_layer(layer: Layer, origin: str = "") -> str:
    """The line that names it, and where in the original it came from."""
    from_ = f", in the original {origin}" if origin else ""
    return f"first diverging layer: {layer.type} '{layer.name}'{from_}"


def _by_size(
    values: Sequence[Floats], computed: Iterable[tuple[str, Floats]]
) -> dict[int, list[Floats]]:
    by_size: dict[int, list[Floats]] = {}
    for value in (*values, *(value for _, value in computed)):
        by_size.setdefault(value.size, []).append(value)
    return by_size


def _is_computed(value: Floats, by_size: Mapping[int, list[Floats]]) -> bool:
    return any(
        relative_distance(tensor, value) <= SAME_WITHIN for tensor in by_size.get(value.size, [])
    )
