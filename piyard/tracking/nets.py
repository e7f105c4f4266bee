"""NanoTrack's two networks as its tracker calls them: ncnn's, or the originals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.errors import WrongInput
from piyard.tracking.nanotrack import Nets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.originals import Original

    Array = NDArray[np.float32]

HEAD = "head"
SCORES, SIDES = 2, 4
"""Channels of the head's outputs, which tell them apart whatever their order is."""


def of_ncnn(folder: Path) -> Nets:
    """The conversion in that folder: model.ncnn.* is the backbone, head.ncnn.* the head."""
    from piyard import infer

    backbone, head = infer.load(folder), infer.load(folder, HEAD)

    def features(values: Array) -> Array:
        (made,) = infer.run(backbone, values).values()
        return made

    def compared(template: Array, search: Array) -> tuple[Array, Array]:
        return sorted_out(list(infer.run(head, template, search).values()))

    return Nets(features, compared)


def of_originals(backbone: Original, head: Original) -> Nets:
    """What the authors published, on this machine."""

    def features(values: Array) -> Array:
        (made,) = backbone.run(values)
        return made

    def compared(template: Array, search: Array) -> tuple[Array, Array]:
        return sorted_out(head.run(template, search))

    return Nets(features, compared)


def sorted_out(outputs: Sequence[Array]) -> tuple[Array, Array]:
    """The head's scores (2, n, n) and sides (4, n, n). Raises ``WrongInput`` for other outputs."""
    by_channels = {made.shape[0]: made for made in outputs}
    if len(outputs) != len(by_channels) or by_channels.keys() != {SCORES, SIDES}:
        shapes = " and ".join("x".join(map(str, made.shape)) for made in outputs)
        raise WrongInput(f"the head gives {shapes}; NanoTrack's gives 2xnxn and 4xnxn")
    return by_channels[SCORES], by_channels[SIDES]
