"""A graph of fixed shapes rewritten node by node, by rules that emit other nodes for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from piyard.convert.onnx.graph import (
    GraphIndex,
    OnnxGraph,
    OnnxNode,
    declared_tensors,
    graph_inputs,
)
from piyard.convert.onnx.rewrite import cut_graph
from piyard.core.errors import ConversionFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray


Shape = tuple[int, ...]
Attributes = Mapping[str, object]
"""Of a node, by name."""
Rule = Callable[["GraphEdit", Any], bool]
"""Emits what replaces a node and returns True, or emits nothing and returns False."""


class GraphEdit:
    """The nodes emitted so far, in order, and what is known of every tensor."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.graph = graph
        self.index = GraphIndex(graph)
        self._nodes: list[OnnxNode] = []
        self._makers: dict[str, OnnxNode] = {}
        self._constants: list[Any] = []
        self._values: dict[str, NDArray[Any]] = {}
        self._shapes = _known_shapes(graph)
        self.output_names = {value.name for value in graph.graph.output}

    @property
    def opset(self) -> int:
        """The version of ONNX's operators."""
        return max(int(each.version) for each in self.graph.opset_import if not each.domain)

    def shape(self, name: str) -> Shape | None:
        """The tensor's shape; None where a side of it is not known."""
        return self._shapes.get(name)

    def constant(self, name: str) -> NDArray[Any] | None:
        """The tensor's values, where they are known without running anything."""
        return self._values[name] if name in self._values else self.index.constant(name)

    def attribute(self, node: Any, name: str, default: Any = None) -> Any:
        """A node's attribute, or what it is by default."""
        return self.index.attribute(node, name, default)

    def readers(self, name: str) -> list[Any]:
        """The nodes of the original graph that read the tensor."""
        return self.index.readers(name)

    def keep(self, node: Any) -> None:
        """Emit the node as it is."""
        self._nodes.append(node)
        self._makers |= dict.fromkeys(node.output, node)

    def emit(
        self,
        kind: str,
        inputs: Sequence[str],
        shape: Sequence[int],
        target: str = "",
        attributes: Attributes | None = None,
    ) -> str:
        """Emit a node; returns its result, of that shape, which is ``target`` or has a new name."""
        import onnx

        result = target or self._new_name(kind)
        node = onnx.helper.make_node(kind, list(inputs), [result], result)
        for key, value in (attributes or {}).items():
            node.attribute.append(onnx.helper.make_attribute(key, value))
        self.keep(node)
        self._shapes[result] = tuple(shape)
        return result

    def add_constant(self, values: NDArray[Any]) -> str:
        """The name of a new constant."""
        import onnx

        name = self._new_name("constant")
        self._values[name], self._shapes[name] = values, tuple(values.shape)
        self._constants.append(onnx.numpy_helper.from_array(values, name))
        return name

    def integers(self, values: Sequence[int]) -> str:
        """The name of a new constant of integers."""
        import numpy as np

        return self.add_constant(np.array(list(values), np.int64))

    def floats(self, values: Any) -> str:
        """The name of a new constant of single floats."""
        import numpy as np

        return self.add_constant(np.asarray(values, np.float32))

    def reshape(self, source: str, shape: Sequence[int], target: str = "") -> str:
        """The tensor's values in another shape; reshapes before it are left out."""
        values = self.constant(source)
        if values is not None and not target:
            return self.add_constant(values.reshape(shape))
        maker = self._makers.get(source)
        while maker is not None and maker.op_type == "Reshape":
            source = maker.input[0]
            maker = self._makers.get(source)
        if not target and self.shape(source) == tuple(shape):
            return source
        return self.emit("Reshape", [source, self.integers(shape)], shape, target)

    def finish(self) -> OnnxGraph:
        """The graph of the emitted nodes, without what its outputs do not need."""
        import onnx

        edited = onnx.ModelProto()
        edited.CopyFrom(self.graph)
        del edited.graph.node[:]
        edited.graph.node.extend(self._nodes)
        edited.graph.initializer.extend(self._constants)
        del edited.graph.value_info[:]
        return cut_graph(edited)

    def _new_name(self, kind: str) -> str:
        return f"piyard_{kind.lower()}_{len(self._nodes)}_{len(self._constants)}"


def edit_graph(graph: OnnxGraph, rules: Mapping[str, Sequence[Rule]]) -> OnnxGraph:
    """The graph with each node replaced by what the first rule of its kind emits for it."""
    edit = GraphEdit(graph)
    for node in graph.graph.node:
        if not any(rule(edit, node) for rule in rules.get(node.op_type, ())):
            edit.keep(node)
    return edit.finish()


def _known_shapes(graph: OnnxGraph) -> dict[str, Shape]:
    """Of the tensors all of whose sides the graph states."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.graph.initializer}
    for value in [*graph_inputs(graph), *declared_tensors(graph)]:
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return shapes


def infer_shapes(graph: OnnxGraph) -> OnnxGraph:
    """The graph with the shapes of all its tensors, those of its inputs being fixed."""
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(graph, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise ConversionFailed(
            "the shapes of the ONNX graph contradict each other", evidence=str(error)[:600]
        ) from None
