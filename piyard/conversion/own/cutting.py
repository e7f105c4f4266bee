"""Where an exported detector is cut: its heads are decoded on the board, not in the net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from piyard import onnxgraph
from piyard.model import Model
from piyard.model.head import Nanodet, Yolov8, Yolox
from piyard.onnxgraph.read import Graph

CUTTABLE = (Yolov8, Yolox, Nanodet)
"""Heads whose maps are what convolutions make, in the order in which exports join them."""


def found(file: Path, model: Model) -> list[str]:
    """The tensors of the ONNX file that are the model's maps, as its head has them.

    Nothing where the file ends with them already, or where they cannot be told. Raises
    ``ConversionFailed`` for a file that cannot be read, or does not work at the model's size.
    """
    if not isinstance(model.head, CUTTABLE):
        return []
    graph = onnxgraph.sized(onnxgraph.renewed(onnxgraph.read(file)), [(1, *model.input)])
    outputs = [value.name for value in graph.graph.output]
    rest = outputs[-1:] if model.task == "segment" else []
    maps = _maps(graph, outputs[: len(outputs) - len(rest)], model.input[1:], model.head.strides)
    cut = maps + rest if maps else []
    return [] if cut == outputs else cut


def _maps(
    graph: Graph, outputs: Sequence[str], size: Sequence[int], strides: Sequence[int]
) -> list[str]:
    """Map by map; nothing where there is another number of tensors for each."""
    names, shapes = onnxgraph.undecoded(graph, outputs), onnxgraph.shapes(graph)
    each = [_of(names, shapes, [side // stride for side in size]) for stride in strides]
    joined = [name for one in each for name in one]
    alike = len({len(one) for one in each}) == 1
    return joined if alike and len(joined) == len(names) else []


def _of(
    names: Sequence[str], shapes: Mapping[str, Sequence[int]], places: Sequence[int]
) -> list[str]:
    return [name for name in names if list(shapes.get(name, ())[2:]) == list(places)]
