"""A net whose outputs differ on a board, examined layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from piyard import infer
from piyard.boardproof import tensors
from piyard.boardproof.proven import Proven
from piyard.compare import bearable
from piyard.conversion import origins
from piyard.conversion.param import Layer
from piyard.proof import diverge
from piyard.seat import Seat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.proof import Asked

    Array = NDArray[np.float32]


class Closer(msgspec.Struct, frozen=True, kw_only=True):
    """A net's inputs, and all the blobs that the board computes from them."""

    stem: str
    layers: list[Layer]
    inputs: tuple[Array, ...]
    blobs: Mapping[str, Array]

    @property
    def working(self) -> list[Layer]:
        """The layers that compute something."""
        return [layer for layer in self.layers if layer.type != "Input"]


def look(seat: Seat, inputs: Asked, proof: Proven) -> list[Closer]:
    """Each net that is not alike, with the input that it is furthest apart for."""
    probes = []
    for stem in proof.astray:
        kind = proof.worst_kind(stem)
        first = inputs.fed[stem][kind][0]
        (blobs,) = tensors.compute(seat, stem, {kind: [first]}, every=True).blobs[kind]
        layers = infer.layers(seat.conversion.folder, stem)
        probes.append(Closer(stem=stem, layers=layers, inputs=first, blobs=blobs))
    return probes


def where(seat: Seat, inputs: Asked, closer: Closer, least: float) -> list[str]:
    """The first layer that moves away from ncnn's fp32 on this machine, for good."""
    folder, stem = seat.conversion.folder, closer.stem
    exact = infer.blobs(infer.load(folder, stem), closer.layers, *closer.inputs)
    most = bearable(least)
    matching = {name: _apart(closer, name, value) <= most for name, value in exact.items()}
    layer = diverge.first_lost(closer.layers, matching)
    if layer is None:
        return []
    layer_origins = origins.of(folder, stem, inputs.names[stem])
    return [diverge.told(layer, layer_origins.get(layer.name, ""))]


def losses(seat: Seat, closer: Closer) -> dict[str, float]:
    """Each layer's own error: it is computed here again from the board's inputs of it."""
    net = infer.load(seat.conversion.folder, closer.stem)
    values = {**closer.blobs, **dict(zip(infer.inputs(net), closer.inputs, strict=True))}
    loss_by_layer = {}
    for layer in closer.working:
        exact = infer.one(net, layer, [values[name] for name in layer.bottoms])
        loss_by_layer[layer.name] = max(
            _apart(closer, name, value) for name, value in exact.items()
        )
    return loss_by_layer


def _apart(closer: Closer, name: str, exact: Array) -> float:
    return diverge.distance(exact, closer.blobs[name].reshape(exact.shape))
