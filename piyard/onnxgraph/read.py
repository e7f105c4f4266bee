"""An ONNX file, read without trusting it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from piyard.errors import ConversionFailed

Graph = Any
"""An ``onnx.ModelProto``; onnx ships no types."""


def read(path: Path) -> Graph:
    """The file's graph, checked by onnx's own checker.

    Raises ``ConversionFailed`` for what is not an ONNX file, breaks the specification, or keeps its
    tensors in other files: a file is known by its sha256, and theirs is not in it.
    """
    import onnx
    from google.protobuf.message import DecodeError

    graph = onnx.ModelProto()
    try:
        graph.ParseFromString(path.read_bytes())
    except DecodeError:
        raise ConversionFailed(f"{path.name} is not an ONNX file") from None
    if outside := _outside(graph):
        raise ConversionFailed(
            f"{path.name} keeps {len(outside)} tensor(s) in other files",
            evidence="\n".join(outside[:4]),
            remedy="save it as one file: onnx.save_model(..., save_as_external_data=False)",
        )
    try:
        onnx.checker.check_model(graph)
    except onnx.checker.ValidationError as error:
        raise ConversionFailed(
            f"{path.name} breaks the ONNX specification", evidence=str(error)[:600]
        ) from None
    return graph


def _outside(graph: Graph) -> list[str]:
    """The tensors whose values are elsewhere, and where."""
    return [
        f"{tensor.name}: {next((e.value for e in tensor.external_data if e.key == 'location'), '')}"
        for tensor in graph.graph.initializer
        if tensor.external_data
    ]


def inputs(graph: Graph) -> list[Any]:
    """What has to be fed; files of an old version list their weights among it."""
    initialized = {tensor.name for tensor in graph.graph.initializer}
    return [value for value in graph.graph.input if value.name not in initialized]


def input_shapes(graph: Graph) -> list[list[int]]:
    """The shape of each input; 0 where the file leaves a side open."""
    return [_shape(value) for value in inputs(graph)]


def declared(graph: Graph) -> list[Any]:
    """Outputs and what the graph says of the tensors on the way to them."""
    return [*graph.graph.output, *graph.graph.value_info]


def shapes(graph: Graph) -> dict[str, list[int]]:
    """The shape of each tensor of a graph that is given a size, as far as it is known."""
    return {value.name: _shape(value) for value in declared(graph)}


def _shape(value: Any) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def reads(node: Any) -> set[str]:
    """All tensors a node reads, those its inner graphs take from outside among them."""
    names = set(node.input)
    for attribute in node.attribute:
        inner = [attribute.g] if attribute.HasField("g") else attribute.graphs
        names.update(*(reads(inner_node) for part in inner for inner_node in part.node))
    return names - {""}


KINDS = {"Conv": "convolution", "ConvTranspose": "transposed", "Gemm": "matrix"}
"""Operations with weights, as ``piyard.conversion.origins`` calls them."""


def names(graph: Graph) -> dict[str, list[str]]:
    """Kind → the names of its nodes, in order; a node without one goes by its output."""
    by_kind: dict[str, list[str]] = {kind: [] for kind in KINDS.values()}
    for node in graph.graph.node:
        if node.op_type in KINDS:
            by_kind[KINDS[node.op_type]].append(node.name or node.output[0])
    return by_kind


def floats(graph: Graph) -> list[str]:
    """The tensors of single floats that the nodes make, in order, as far as types are declared."""
    import onnx

    types = {
        value.name
        for value in declared(graph)
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    return [name for node in graph.graph.node for name in node.output if name in types]
