"""An index of a graph's tensors: what computes them, what reads them, and constant values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from piyard.onnxgraph.read import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Known:
    """An index of a graph; it goes stale when the graph changes."""

    def __init__(self, graph: Graph) -> None:
        self.makers: dict[str, Any] = {
            name: node for node in graph.graph.node for name in node.output
        }
        self._readers: dict[str, list[Any]] = {}
        for node in graph.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._outputs = {value.name for value in graph.graph.output}
        self._tensors = {tensor.name: tensor for tensor in graph.graph.initializer}

    def only_reader(self, name: str) -> Any | None:
        """The node that reads the tensor, if it is the only one and the tensor is not an output."""
        readers = self._readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._outputs else None

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
