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

    outputs = list(tensors) or [value.name for value in graph.graph.output]
    _require(graph, outputs)
    numbers, needed_tensors = _needed(graph, outputs)
    part = onnx.ModelProto()
    part.CopyFrom(graph)
    _keep(part.graph.node, [graph.graph.node[number] for number in sorted(numbers)])
    _keep(part.graph.initializer, [t for t in graph.graph.initializer if t.name in needed_tensors])
    _keep(part.graph.input, [value for value in inputs(graph) if value.name in needed_tensors])
    _keep(part.graph.output, [_output(graph, name) for name in outputs])
    return part


def _require(graph: Graph, outputs: Sequence[str]) -> None:
    computed = {name for node in graph.graph.node for name in node.output}
    for name in outputs:
        if name not in computed:
            raise ConversionFailed(
                f"the ONNX graph computes no tensor '{name}'{nearest(name, computed)}",
                remedy="correct `cut` in the model's YAML",
            )


def _needed(graph: Graph, outputs: Sequence[str]) -> tuple[set[int], set[str]]:
    """The nodes, by their place in the file, and the tensors that the wanted ones come from."""
    nodes = list(graph.graph.node)
    makers = {name: number for number, node in enumerate(nodes) for name in node.output}
    numbers: set[int] = set()
    needed, pending = set(outputs), list(outputs)
    while pending:
        number = makers.get(pending.pop())
        if number is not None and number not in numbers:
            numbers.add(number)
            pending += reads(nodes[number]) - needed
            needed |= reads(nodes[number])
    return numbers, needed


def _keep(field: Any, values: Sequence[Any]) -> None:
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(copies)


def _output(graph: Graph, name: str) -> Any:
    """How the graph itself declares the tensor, else a tensor of floats."""
    import onnx

    declaration = next((value for value in declared(graph) if value.name == name), None)
    if declaration is not None:
        return declaration
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
