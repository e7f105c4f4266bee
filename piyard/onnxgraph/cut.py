"""The part of a graph that computes some of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piyard.errors import ConversionFailed, nearest
from piyard.onnxgraph.read import Graph, declared, inputs, reads


def cut(graph: Graph, tensors: Sequence[str] = ()) -> Graph:
    """A copy whose outputs are these tensors, in that order, without what they do not need.

    Without names its outputs stay. Raises ``ConversionFailed`` for a tensor there is not.
    """
    import onnx

    wanted = list(tensors) or [value.name for value in graph.graph.output]
    _require(graph, wanted)
    kept, needed = _needed(graph, wanted)
    part = onnx.ModelProto()
    part.CopyFrom(graph)
    _keep(part.graph.node, [graph.graph.node[number] for number in sorted(kept)])
    _keep(part.graph.initializer, [t for t in graph.graph.initializer if t.name in needed])
    _keep(part.graph.input, [value for value in inputs(graph) if value.name in needed])
    _keep(part.graph.output, [_output(graph, name) for name in wanted])
    return part


def _require(graph: Graph, wanted: Sequence[str]) -> None:
    known = {name for node in graph.graph.node for name in node.output}
    for name in wanted:
        if name not in known:
            raise ConversionFailed(
                f"the ONNX graph computes no tensor '{name}'{nearest(name, known)}",
                remedy="correct `cut` in the model's YAML",
            )


def _needed(graph: Graph, wanted: Sequence[str]) -> tuple[set[int], set[str]]:
    """The nodes, by their place in the file, and the tensors that the wanted ones come from."""
    nodes = list(graph.graph.node)
    makers = {name: number for number, node in enumerate(nodes) for name in node.output}
    kept: set[int] = set()
    needed, ahead = set(wanted), list(wanted)
    while ahead:
        number = makers.get(ahead.pop())
        if number is not None and number not in kept:
            kept.add(number)
            ahead += reads(nodes[number]) - needed
            needed |= reads(nodes[number])
    return kept, needed


def _keep(field: Any, values: Sequence[Any]) -> None:
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(copies)


def _output(graph: Graph, name: str) -> Any:
    """How the graph itself declares the tensor, else a tensor of floats."""
    import onnx

    known = next((value for value in declared(graph) if value.name == name), None)
    if known is not None:
        return known
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
