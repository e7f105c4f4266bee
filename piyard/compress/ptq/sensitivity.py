"""What each layer costs a network's outputs when it alone is int8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from piyard.compress.ptq.calibration import Progress
from piyard.compress.ptq.pair import write_weighted_layers
from piyard.compress.ptq.quantise import Quantised
from piyard.compress.ptq.similarity import distance
from piyard.convert.ncnn_net import (
    NET_STEM,
    extract_blobs,
    input_blobs,
    load_net,
    net_outputs,
    run_all_blobs,
    run_layer,
)
from piyard.convert.param import Layer
from piyard.core.files import scratch_folder

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

SENSITIVITY_INPUTS = 4
"""Enough to tell the layers that cost much from those that cost nothing."""
SPARED_LOSS = 1e-4
"""Below it a layer is not worth sparing."""


def measure_losses(
    quantised: Quantised,
    inputs: Iterable[tuple[Floats, ...]],
    progress: Progress = lambda _done, _total: None,
) -> dict[str, float]:
    """Layer → 1 less the cosine of the outputs, the mean over the inputs; the worst output counts.

    The layer reads what the exact network computes, and all after it is exact.
    """
    names, lines = quantised.table.layers, [each.layer for each in quantised.exact]
    losses: dict[str, list[float]] = {name: [] for name in names}
    with scratch_folder("piyard-sensitivity-") as folder:
        exact, int8 = folder / "exact", folder / "int8"
        for at in (exact, int8):
            at.mkdir()
        write_weighted_layers(quantised.exact, exact, NET_STEM)
        write_weighted_layers(quantised.layers(names, chains=False), int8, NET_STEM)
        full, rough = load_net(exact), load_net(int8)
        every = list(inputs)
        for number, values in enumerate(every):
            for name, loss in _losses_of_input(full, rough, lines, values, names):
                losses[name].append(loss)
            progress(number + 1, len(every))
    return {name: sum(each) / len(each) for name, each in losses.items() if each}


def _losses_of_input(
    full: Any, rough: Any, lines: Sequence[Layer], values: tuple[Floats, ...], names: Sequence[str]
) -> Iterator[tuple[str, float]]:
    blobs = run_all_blobs(full, lines, *values)
    blobs |= dict(zip(input_blobs(lines), values, strict=True))
    outputs = net_outputs(full)
    by_name = {layer.name: layer for layer in lines}
    for name in names:
        layer = by_name[name]
        changed = run_layer(rough, layer, [blobs[blob] for blob in layer.bottoms])
        kept = {blob: blobs[blob] for blob in _unchanged(lines, layer)}
        results = extract_blobs(full, kept | changed, outputs)
        yield name, max(distance(blobs[blob], results[blob]) for blob in outputs)


def _unchanged(lines: Sequence[Layer], layer: Layer) -> set[str]:
    """All blobs that do not depend on this layer."""
    changed = set(layer.tops)
    for each in lines:
        if changed & set(each.bottoms):
            changed |= set(each.tops)
    return {blob for each in lines for blob in each.tops} - changed


def spare_costly(losses: Mapping[str, float], sizes: Mapping[str, int], room: int) -> set[str]:
    """Layers that cost most and hold little, so that all of them together have room."""
    spared: set[str] = set()
    for name in by_loss(losses):
        if losses[name] >= SPARED_LOSS and sizes[name] <= room:
            spared.add(name)
            room -= sizes[name]
    return spared


def by_loss(losses: Mapping[str, float]) -> list[str]:
    """The layers, the one that costs most first."""
    return sorted(losses, key=lambda name: -losses[name])
