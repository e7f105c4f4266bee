"""Habits of old exporters that today's readers understand differently."""

from __future__ import annotations

from piyard.onnxgraph.read import Graph


def renewed(graph: Graph) -> Graph:
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
