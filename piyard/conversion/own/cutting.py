"""Where an exported detector is cut: its heads are decoded on the board, not in the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard.conversion.own import exported
from piyard.conversion.own.exported import Exported, Shapes
from piyard.conversion.own.undecoded import undecoded
from piyard.model import Model
from piyard.model.head import DenseHead, Nanodet, Rtmdet, Yolov8, Yolox

CUTTABLE = (Yolov8, Yolox, Nanodet, Rtmdet)
"""Heads whose maps are what convolutions make, in the order in which exports join them; RTMDet's
sides are scaled to pixels, which distinguishes them from the classes."""


def found(file: Path, model: Model) -> list[str]:
    """The tensors of the file that are the model's maps, as its head has them.

    Empty where the file already ends with them, or where they cannot be recognised. Raises
    ``ConversionFailed`` for a file that cannot be read, or does not work at the model's size.
    """
    if not isinstance(model.head, CUTTABLE):
        return []
    network = exported.read(file, model.network, model.input)
    return _found(network, model, model.head) if network else []


def _found(network: Exported, model: Model, head: DenseHead) -> list[str]:
    rest = network.outputs[-1:] if model.task == "segment" else []
    decoded = network.outputs[: len(network.outputs) - len(rest)]
    maps = _maps(network, decoded, model.input[1:], head)
    cut = maps + rest if maps else []
    return [] if cut == network.outputs else cut


def _maps(
    network: Exported, outputs: Sequence[str], size: Sequence[int], head: DenseHead
) -> list[str]:
    """Map by map; empty where the maps have different numbers of tensors."""
    scaled = isinstance(head, Rtmdet)
    names = undecoded(network.steps, outputs, scaled=scaled)
    if not network.unnamed.isdisjoint(names):
        return []
    shapes = network.shapes(names)
    maps = [_of(names, shapes, [side // stride for side in size]) for stride in head.strides]
    if scaled:
        maps = [_scaled_last(network, tensors) for tensors in maps]
    joined = [name for tensors in maps for name in tensors]
    alike = len({len(tensors) for tensors in maps}) == 1
    return joined if alike and len(joined) == len(names) else []


def _scaled_last(network: Exported, names: Sequence[str]) -> list[str]:
    """Classes, then sides; empty where they cannot be told apart."""
    classes = [name for name in names if network.steps[name].kind != "scale"]
    sides = [name for name in names if network.steps[name].kind == "scale"]
    return classes + sides if len(classes) == len(sides) == 1 else []


def _of(names: Sequence[str], shapes: Shapes, places: Sequence[int]) -> list[str]:
    return [name for name in names if list(shapes.get(name, ())[2:]) == list(places)]
