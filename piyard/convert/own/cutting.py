"""Where an exported detector is cut: its heads are decoded on the board, not in the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piyard.convert.own.graph_view import (
    ROTATION,
    SUPPRESSION,
    GraphStep,
    GraphView,
    TensorShapes,
    view_graph,
)
from piyard.models.definition import Model
from piyard.vision.head_schema import DenseHead, Nanodet, Rtmdet, Yolov5, Yolov8, Yolox


def find_undecoded(
    steps: Mapping[str, GraphStep], outputs: Sequence[str], *, scaled: bool = False
) -> list[str]:
    """The results of the last convolutions before these outputs, in the outputs' order.

    ``steps`` are by the tensor they result in. The convolution that weighs the distributions of a
    distribution focal loss head (Li et al. 2020) is part of decoding. With ``scaled`` a result is
    taken after what scales it.
    """
    ends: list[str] = []
    visited: set[str] = set()
    pending = list(reversed(outputs))
    while pending:
        name = pending.pop()
        step = steps.get(name)
        if name in visited or step is None or step.kind == "size":
            continue
        visited.add(name)
        is_last = step.kind == "convolution" and not _weighs_softmax(step, steps)
        if is_last or (scaled and _scales_convolution(step, steps)):
            ends.append(name)
        else:
            pending += reversed(step.inputs)
    return ends


def _scales_convolution(step: GraphStep, steps: Mapping[str, GraphStep]) -> bool:
    """Whether it scales the result of a convolution by constants."""
    if step.kind != "scale":
        return False
    inputs = [steps[name] for name in step.inputs if name in steps]
    computed = [each for each in inputs if each.kind != "constant"]
    return len(computed) == 1 and (
        computed[0].kind == "convolution" or _scales_convolution(computed[0], steps)
    )


def _weighs_softmax(convolution: GraphStep, steps: Mapping[str, GraphStep]) -> bool:
    """Whether its input is a softmax."""
    source = steps.get(convolution.inputs[0])
    while source is not None and source.kind == "reshape":
        source = steps.get(source.inputs[0])
    return source is not None and source.kind == "softmax"


CUTTABLE_HEADS = (Yolov8, Yolov5, Yolox, Nanodet, Rtmdet)
"""Heads whose maps are what convolutions make, in the order in which exports join them; RTMDet's
sides are scaled to pixels, which distinguishes them from the classes."""


class HeadMaps(msgspec.Struct, frozen=True, kw_only=True):
    """The tensors of a file that are a head's maps."""

    cut: list[str] = []
    """All of them, and what belongs to no map; empty where the file already ends with them."""
    channels: list[int] = []
    """Of the tensors of the first map; empty where the maps were not recognised."""
    is_suppressed: bool = False
    """Whether the file itself ends with non-maximum suppression."""


def find_head_maps(file: Path, model: Model) -> HeadMaps:
    """The tensors of the file that are the model's maps, as its head has them.

    Raises ``ConversionFailed`` for a file that cannot be read, or does not work at the model's
    size.
    """
    if not isinstance(model.head, CUTTABLE_HEADS):
        return HeadMaps()
    network = view_graph(file, model.network, model.input)
    return _find_head_tensors(network, model, model.head) if network else HeadMaps()


def _find_head_tensors(network: GraphView, model: Model, head: DenseHead) -> HeadMaps:
    count = len(network.outputs) - model.spec.extra_outputs
    decoded, rest = network.outputs[:count], network.outputs[count:]
    names = find_undecoded(network.steps, decoded, scaled=isinstance(head, Rtmdet))
    if not network.unnamed.isdisjoint(names):
        return HeadMaps()
    shapes = network.shapes(names)
    maps = _find_maps(network, names, shapes, model.input[1:], head)
    if not maps:
        return HeadMaps()
    cut = maps + rest
    return HeadMaps(
        cut=[] if cut == network.outputs else cut,
        channels=[shapes[name][1] for name in maps[: len(maps) // len(head.strides)]],
        is_suppressed=any(step.kind == SUPPRESSION for step in network.steps.values()),
    )


def _find_maps(
    network: GraphView,
    names: Sequence[str],
    shapes: TensorShapes,
    size: Sequence[int],
    head: DenseHead,
) -> list[str]:
    """Map by map; empty where the maps have different numbers of tensors."""
    maps = [
        _maps_of_size(names, shapes, [side // stride for side in size]) for stride in head.strides
    ]
    if isinstance(head, Rtmdet):
        maps = [_put_boxes_last(network, tensors) for tensors in maps]
    if angles := _find_angles(network):
        maps = [sorted(tensors, key=lambda name: name in angles) for tensors in maps]
    joined = [name for tensors in maps for name in tensors]
    alike = len({len(tensors) for tensors in maps}) == 1
    return joined if alike and len(joined) == len(names) else []


def _find_angles(network: GraphView) -> set[str]:
    """Maps whose values become sines and cosines: those are met before the classes."""
    turned = [name for name, step in network.steps.items() if step.kind == ROTATION]
    return set(find_undecoded(network.steps, turned))


def _put_boxes_last(network: GraphView, names: Sequence[str]) -> list[str]:
    """Classes, then sides; empty where they cannot be told apart."""
    classes = [name for name in names if network.steps[name].kind != "scale"]
    sides = [name for name in names if network.steps[name].kind == "scale"]
    return classes + sides if len(classes) == len(sides) == 1 else []


def _maps_of_size(names: Sequence[str], shapes: TensorShapes, places: Sequence[int]) -> list[str]:
    return [name for name in names if list(shapes.get(name, ())[2:]) == list(places)]
