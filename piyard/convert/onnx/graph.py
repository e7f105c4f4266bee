"""An ONNX graph as data: indexed, given a size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from piyard.core.errors import ConversionFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray


OnnxGraph = Any
"""An ``onnx.ModelProto``; onnx ships no types."""
OnnxNode = Any
"""An ``onnx.NodeProto``."""


def graph_inputs(graph: OnnxGraph) -> list[Any]:
    """What has to be fed; files of an old version list their weights among it."""
    initialized = {tensor.name for tensor in graph.graph.initializer}
    return [value for value in graph.graph.input if value.name not in initialized]


def graph_input_shapes(graph: OnnxGraph) -> list[list[int]]:
    """The shape of each input; 0 where the file leaves a side open."""
    return [declared_shape(value) for value in graph_inputs(graph)]


def declared_tensors(graph: OnnxGraph) -> list[Any]:
    """Outputs and what the graph says of the tensors on the way to them."""
    return [*graph.graph.output, *graph.graph.value_info]


def tensor_shapes(graph: OnnxGraph) -> dict[str, list[int]]:
    """The shape of each tensor of a graph that is given a size, as far as it is known."""
    return {value.name: declared_shape(value) for value in declared_tensors(graph)}


def declared_shape(value: Any) -> list[int]:
    """The shape an input or a tensor is declared with; 0 where a side is open."""
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def tensors_read(node: Any) -> set[str]:
    """All tensors a node reads, those its inner graphs take from outside among them."""
    names = set(node.input)
    for inner in inner_graphs(node):
        names.update(*(tensors_read(inner_node) for inner_node in inner.node))
    return names - {""}


def inner_graphs(node: Any) -> list[Any]:
    """The graphs that are attributes of the node: branches and bodies of loops."""
    return [
        graph
        for attribute in node.attribute
        for graph in ([attribute.g] if attribute.HasField("g") else attribute.graphs)
    ]


WEIGHT_OPERATIONS = {"Conv": "convolution", "ConvTranspose": "transposed", "Gemm": "matrix"}
"""Operations with weights, as ``piyard.conversion.origins`` calls them."""


def weight_node_names(graph: OnnxGraph) -> dict[str, list[str]]:
    """Kind → the names of its nodes, in order; a node without one goes by its output."""
    by_kind: dict[str, list[str]] = {kind: [] for kind in WEIGHT_OPERATIONS.values()}
    for node in graph.graph.node:
        if node.op_type in WEIGHT_OPERATIONS:
            by_kind[WEIGHT_OPERATIONS[node.op_type]].append(node.name or node.output[0])
    return by_kind


def float_tensors(graph: OnnxGraph) -> list[str]:
    """The tensors of single floats that the nodes make, in order, as far as types are declared."""
    import onnx

    types = {
        value.name
        for value in declared_tensors(graph)
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    return [name for node in graph.graph.node for name in node.output if name in types]


class GraphIndex:
    """An index of a graph; it goes stale when the graph changes."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.makers: dict[str, OnnxNode] = {
            name: node for node in graph.graph.node for name in node.output
        }
        self._readers: dict[str, list[OnnxNode]] = {}
        for node in graph.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._outputs = {value.name for value in graph.graph.output}
        self._tensors = {tensor.name: tensor for tensor in graph.graph.initializer}

    def only_reader(self, name: str) -> OnnxNode | None:
        """The node that reads the tensor, if it is the only one and the tensor is not an output."""
        readers = self._readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._outputs else None

    def readers(self, name: str) -> list[OnnxNode]:
        """The nodes that read the tensor, those with inner graphs that do aside."""
        return self._readers.get(name, [])

    def constant(self, name: str) -> NDArray[Any] | None:
        """The tensor's values, where they are known without running anything."""
        import onnx

        tensor = self._tensors.get(name)
        node = self.makers.get(name)
        if tensor is None and node is not None and node.op_type == "Constant":
            tensor = self.attribute(node, "value")
        if tensor is None:
            return None
        values: NDArray[Any] = onnx.numpy_helper.to_array(tensor)
        return values

    def attribute(self, node: Any, name: str, default: Any = None) -> Any:
        """A node's attribute, or what it is by default."""
        import onnx

        value = next((value for value in node.attribute if value.name == name), None)
        return default if value is None else onnx.helper.get_attribute_value(value)


def set_input_shapes(graph: OnnxGraph, shapes: Sequence[Sequence[int]]) -> OnnxGraph:
    """A copy that takes inputs of these shapes, with every shape that follows from them.

    Raises ``ConversionFailed`` when the graph takes other inputs, or cannot work at that size.
    """
    import onnx

    if len(graph_inputs(graph)) != len(shapes):
        raise ConversionFailed(
            f"the ONNX graph has {len(graph_inputs(graph))} inputs, the model's YAML {len(shapes)}"
        )
    copy = _without_shapes(graph)
    for value, shape in zip(graph_inputs(copy), shapes, strict=True):
        _set_shape(value, shape)
    try:
        return onnx.shape_inference.infer_shapes(copy, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        sizes = ", ".join("x".join(map(str, shape)) for shape in shapes)
        raise ConversionFailed(
            f"the ONNX graph does not work with input {sizes}",
            evidence=str(error)[:600],
            remedy="correct `input` in the model's YAML: many files work at one size only",
        ) from None


def free_input_shapes(graph: OnnxGraph) -> OnnxGraph:
    """A copy that takes any height and width: inputs (1, channels, height, width)."""
    import onnx

    copy = _without_shapes(graph)
    for number, value in enumerate(graph_inputs(copy)):
        dims = value.type.tensor_type.shape.dim
        dims[0].dim_value = 1
        for dim, name in zip(dims[2:], (f"height{number}", f"width{number}"), strict=True):
            dim.dim_param = name
    return onnx.shape_inference.infer_shapes(copy, data_prop=True)


def _set_shape(value: Any, shape: Sequence[int]) -> None:
    dims = value.type.tensor_type.shape.dim
    if len(dims) != len(shape):
        raise ConversionFailed(f"the ONNX graph's input has {len(dims)} dimensions")
    for dim, side in zip(dims, shape, strict=True):
        dim.dim_value = side


def _without_shapes(graph: OnnxGraph) -> OnnxGraph:
    """A copy that says nothing of the shapes within."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    del copy.graph.value_info[:]
    for output in copy.graph.output:
        output.type.tensor_type.ClearField("shape")
    return copy


def update_old_nodes(graph: OnnxGraph) -> OnnxGraph:
    """A copy as it was meant.

    MXNet's exporter wrote ``spatial=0`` beside one scale a channel; by the specification of then
    that asks for one an element, and the attribute went with opset 9.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    sizes = {tensor.name: len(tensor.dims) for tensor in copy.graph.initializer}
    for node in copy.graph.node:
        if node.op_type == "BatchNormalization" and sizes.get(node.input[1]) == 1:
            attributes = [attribute for attribute in node.attribute if attribute.name != "spatial"]
            del node.attribute[:]
            node.attribute.extend(attributes)
    return copy
