"""Which fewest layers must stay in fp32: in which order they are tried, and for how long.

Each layer is measured for how much fp16 alone costs it; those that lose most stay in fp32 first, as
few as bring the outputs over the threshold. What a layer reads is exact only where what made it is
in fp32 too: a small difference of large numbers is lost in their rounding, not in its own. So each
layer brings the makers of its inputs with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from piyard.convert.ncnn_net import NetPair, net_inputs, run_all_blobs, run_layer_fp16
from piyard.convert.param import Layer
from piyard.core import console

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

PASSING = frozenset(
    {
        *("Concat", "Crop", "Dropout", "ExpandDims", "Flatten", "Interp", "Noop", "Padding"),
        *("Permute", "Pooling", "Reshape", "ShuffleChannel", "Slice", "Split", "Squeeze"),
    }
)
"""Layers whose outputs are their inputs' values, or means of a few of them."""
MAX_FP32_SHARE = 0.25
"""The largest share of the layers that may stay in fp32."""
SEARCH_LIMIT_S = 900.0
"""On this machine; a net of a few hundred layers takes a minute or two."""


class SearchLimit:
    """The time of a search, looked at between two trials."""

    def __init__(self, seconds: float = SEARCH_LIMIT_S) -> None:
        self.seconds = seconds
        self.stopped = False
        """Whether the search ended because the time was over."""
        self._end = time.monotonic() + seconds

    def is_over(self) -> bool:
        """To be asked only where the search would go on."""
        self.stopped = self.stopped or time.monotonic() >= self._end
        return self.stopped

    def note(self, layers: int) -> str:
        """For people: where the search stopped, with so many layers; empty if it came to an end."""
        if not self.stopped:
            return ""
        reached = f"{layers} do, perhaps fewer would" if layers else "none are known"
        return (
            f"the search for layers that must stay in fp32 stopped after its {self.seconds:.0f} s: "
            f"{reached}"
        )


def fewest_layers(
    order: Sequence[str],
    well: Callable[[set[str]], bool],
    limit: SearchLimit,
    most_of_all: float | None = None,
) -> set[str]:
    """The first so many names whose sparing makes all ``well``; none when that takes too many.

    ``order`` has those first that lose most; at most ``MAX_FP32_SHARE`` of them are taken. What is
    ``well`` when the time is over counts, be there fewer or not.
    """
    most = int((MAX_FP32_SHARE if most_of_all is None else most_of_all) * len(order))
    few, many = 0, min(1, most)
    while many and not well(set(order[:many])):
        goes_on = many < most and not limit.is_over()
        few, many = many, min(2 * many, most) if goes_on else 0
    while many - few > 1 and not limit.is_over():
        middle = (few + many) // 2
        few, many = (few, middle) if well(set(order[:middle])) else (middle, many)
    return set(order[:many])


def layers_by_loss(nets: NetPair, *fed: Sequence[Floats]) -> list[str]:
    """All layers, those first that lose most in fp16 (see ``order_by_loss``).

    What is ``fed`` is one array for each of the net's inputs; of several the worst loss counts.
    """
    working = [layer for layer in nets.layers if layer.type != "Input"]
    losses = dict.fromkeys((layer.name for layer in working), 0.0)
    with console.step("measure what fp16 costs each layer", unit="layers") as step:
        for number, inputs in enumerate(fed):
            exact = run_all_blobs(nets.full, nets.layers, *inputs)
            blobs = exact | dict(zip(net_inputs(nets.full), inputs, strict=True))
            for place, layer in enumerate(working):
                step.update(number * len(working) + place, len(fed) * len(working))
                loss = _fp16_loss(nets, layer, blobs)
                losses[layer.name] = max(losses[layer.name], loss)
    return order_by_loss(working, losses)


def order_by_loss(working: Sequence[Layer], losses: Mapping[str, float]) -> list[str]:
    """Names of layers, by what each loses, each followed by those that its inputs come from.

    One that reads what overflowed loses as much as the one that did.
    """
    spilt = {name for layer in working if losses[layer.name] == float("inf") for name in layer.tops}
    all_lost = {layer.name for layer in working if spilt & set(layer.bottoms)}
    counted = {**losses, **dict.fromkeys(all_lost, float("inf"))}
    by_loss = sorted(counted, key=lambda name: -counted[name])
    makers = _input_makers(working)
    with_makers = (
        [name] if counted[name] == float("inf") else [name, *makers[name]] for name in by_loss
    )
    return list(dict.fromkeys(name for names in with_makers for name in names))


def _input_makers(working: Sequence[Layer]) -> dict[str, list[str]]:
    """Layer → those that compute what it reads, and those that pass that on, the nearest first."""
    by_top = {name: layer for layer in working for name in layer.tops}
    return {layer.name: _makers_of(layer, by_top) for layer in working}


def _makers_of(layer: Layer, by_top: Mapping[str, Layer]) -> list[str]:
    makers: dict[str, Layer] = {}
    pending = list(layer.bottoms)
    for name in pending:
        maker = by_top.get(name)
        if maker is not None and maker.name not in makers:
            makers[maker.name] = maker
            pending += maker.bottoms if maker.type in PASSING else []
    return list(makers)


def relative_distance(reference: Floats, other: Floats) -> float:
    """Length of the difference as a part of ``reference``'s own; infinite when not finite."""
    import numpy as np

    a, b = (values.astype(np.float64).ravel() for values in (reference, other))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    length, apart = float(np.linalg.norm(a)), float(np.linalg.norm(a - b))
    return apart / length if length else apart


def _fp16_loss(nets: NetPair, layer: Layer, blobs: dict[str, Floats]) -> float:
    """How far the layer's output is from the exact one when it alone computes in fp16."""
    inputs = [blobs[name] for name in layer.bottoms]
    rounded = run_layer_fp16(nets.half, layer, inputs)
    return max(relative_distance(blobs[name], rounded[name]) for name in layer.tops)
