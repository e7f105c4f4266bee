"""The size of what a graph is fed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piyard.errors import ConversionFailed
from piyard.onnxgraph.read import Graph, inputs


def sized(graph: Graph, shapes: Sequence[Sequence[int]]) -> Graph:
    """A copy that takes inputs of these shapes, with every shape that follows from them.

    Raises ``ConversionFailed`` when the graph takes other inputs, or cannot work at that size.
    """
    import onnx

    if len(inputs(graph)) != len(shapes):
        raise ConversionFailed(
            f"the ONNX graph has {len(inputs(graph))} inputs, the model's YAML {len(shapes)}"
        )
    copy = _forgetful(graph)
    for value, shape in zip(inputs(copy), shapes, strict=True):
        _set(value, shape)
    try:
        return onnx.shape_inference.infer_shapes(copy, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        sizes = ", ".join("x".join(map(str, shape)) for shape in shapes)
        raise ConversionFailed(
            f"the ONNX graph does not work with input {sizes}",
            evidence=str(error)[:600],
            remedy="correct `input` in the model's YAML: many files work at one size only",
        ) from None


def freed(graph: Graph) -> Graph:
    """A copy that takes any height and width: inputs (1, channels, height, width)."""
    import onnx

    copy = _forgetful(graph)
    for number, value in enumerate(inputs(copy)):
        dims = value.type.tensor_type.shape.dim
        dims[0].dim_value = 1
        for dim, name in zip(dims[2:], (f"height{number}", f"width{number}"), strict=True):
            dim.dim_param = name
    return onnx.shape_inference.infer_shapes(copy, data_prop=True)


def _set(value: Any, shape: Sequence[int]) -> None:
    dims = value.type.tensor_type.shape.dim
    if len(dims) != len(shape):
        raise ConversionFailed(f"the ONNX graph's input has {len(dims)} dimensions")
    for dim, side in zip(dims, shape, strict=True):
        dim.dim_value = side


def _forgetful(graph: Graph) -> Graph:
    """A copy that says nothing of the shapes within."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    del copy.graph.value_info[:]
    for output in copy.graph.output:
        output.type.tensor_type.ClearField("shape")
    return copy
