"""The first layer of a converted net that computes something the original does not.

Names do not survive the conversion, values do: each blob of ncnn is looked for among everything
the original computes on its way. A layer whose output is nowhere to be found there is at fault
when nothing after it is found again either; else it was only put together differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from piyard import infer
from piyard.conversion.param import Layer
from piyard.proof.pair import Pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

ALIKE = 1e-3
"""Largest length of the difference of two tensors, as a part of their own length."""


def first(
    net: Any, layers: Sequence[Layer], computed: Iterable[tuple[str, Array]], *values: Array
) -> Layer | None:
    """The first layer at fault, given what the original computes of ``values``."""
    computed_tensors = _by_size(values, computed)
    blobs = infer.blobs(net, layers, *values)
    right = {name: _is_known(value, computed_tensors) for name, value in blobs.items()}
    return first_lost(layers, right)


def first_rounded(nets: Pair, *values: Array, alike: float) -> Layer | None:
    """The first layer whose output fp16 storage moves further than ``alike``, for good."""
    exact = infer.blobs(nets.full, nets.layers, *values)
    rounded = nets.all_blobs_fp16(*values)
    right = {name: distance(value, rounded[name]) <= alike for name, value in exact.items()}
    return first_lost(nets.layers, right)


def first_lost(layers: Sequence[Layer], right: Mapping[str, bool]) -> Layer | None:
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


def told(layer: Layer, origin: str = "") -> str:
    """The line that names it, and where in the original it came from."""
    from_ = f", in the original {origin}" if origin else ""
    return f"first diverging layer: {layer.type} '{layer.name}'{from_}"


def distance(reference: Array, other: Array) -> float:
    """Length of the difference as a part of the length of ``one``; infinite when not finite."""
    import numpy as np

    a, b = (values.astype(np.float64).ravel() for values in (reference, other))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    length, apart = float(np.linalg.norm(a)), float(np.linalg.norm(a - b))
    return apart / length if length else apart


def _by_size(
    values: Sequence[Array], computed: Iterable[tuple[str, Array]]
) -> dict[int, list[Array]]:
    by_size: dict[int, list[Array]] = {}
    for value in (*values, *(value for _, value in computed)):
        by_size.setdefault(value.size, []).append(value)
    return by_size


def _is_known(value: Array, by_size: Mapping[int, list[Array]]) -> bool:
    return any(distance(tensor, value) <= ALIKE for tensor in by_size.get(value.size, []))
