"""The number types of an ONNX file: fp16, bf16 and double widened or narrowed, quantised refused.

Every fp16 and bf16 value is a float too, so widening changes no weight; a double is narrowed where
all doubles of the file are floats. What is quantised computes with integers, which is another
network than the one before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from piyard.convert.onnx.file import graph_tensors, read_onnx
from piyard.convert.onnx.graph import OnnxGraph, inner_graphs, update_old_nodes
from piyard.core.errors import ConversionFailed
from piyard.core.text import format_count

QUANTISED_KINDS = frozenset(
    {
        *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger"),
        *("MatMulInteger", "QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul"),
        *("QLinearGlobalAveragePool", "QLinearAveragePool", "QLinearConcat", "QLinearSigmoid"),
        *("QLinearLeakyRelu", "QLinearSoftmax", "QLinearReduceMean", "QLinearWhere", "QGemm"),
        *("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulNBits", "DynamicQuantizeLSTM"),
        *("QAttention", "QEmbedLayerNormalization", "GatherBlockQuantized"),
    }
)
"""Operations on quantised tensors, ONNX's and onnxruntime's."""
SHOWN_KINDS = 4
TYPED_ATTRIBUTES = frozenset({"to", "dtype", "stash_type"})
"""Attributes that hold the number of a type."""


def read_network(path: Path) -> OnnxGraph:
    """The file's network in single precision.

    Raises ``ConversionFailed`` as ``read_onnx`` does, and for a quantised network.
    """
    graph = read_onnx(path)
    _require_unquantised(graph, path.name)
    try:
        return update_old_nodes(to_single(graph, path.name))
    except ValueError as error:
        raise ConversionFailed(
            f"{path.name} breaks the ONNX specification: a tensor's bytes do not fit its shape",
            evidence=str(error),
        ) from None


def list_other_types(graph: OnnxGraph) -> list[str]:
    """The names of the graph's types that are not single floats but become such, sorted."""
    names = _other_types()
    return sorted({names[number] for number in _types_used(graph) if number in names})


def to_single(graph: OnnxGraph, name: str) -> OnnxGraph:
    """The graph with fp16, bf16 and double as single floats; itself where it has none of them."""
    import onnx

    if not list_other_types(graph):
        return graph
    if onnx.TensorProto.DOUBLE in _types_used(graph) and not _is_exact(graph):
        return _require_single_inputs(graph, name)
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    _change_graph(copy.graph)
    return copy


def _other_types() -> dict[int, str]:
    from onnx import TensorProto

    return {TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16", TensorProto.DOUBLE: "double"}


def _types_used(graph: OnnxGraph) -> set[int]:
    values = [*graph.graph.input, *graph.graph.output]
    declared = {value.type.tensor_type.elem_type for value in values}
    return declared | {tensor.data_type for tensor in graph_tensors(graph.graph)}


def _is_exact(graph: OnnxGraph) -> bool:
    """Whether every double of the file is a single float."""
    import numpy as np
    import onnx

    doubles = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in graph_tensors(graph.graph)
        if tensor.data_type == onnx.TensorProto.DOUBLE
    ]
    with np.errstate(over="ignore"):
        return all(
            np.array_equal(each, each.astype(np.float32), equal_nan=True) for each in doubles
        )


def _require_single_inputs(graph: OnnxGraph, name: str) -> OnnxGraph:
    """A constant in double within a graph of single floats stays: the proof judges it."""
    import onnx

    for value in graph.graph.input:
        if value.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE:
            raise ConversionFailed(
                f"{name} is in double precision, and its weights are no single floats",
                remedy="export it in single precision: network.float() before the export",
            )
    return graph


def _change_graph(graph: Any) -> None:
    """In place, with the graphs within it."""
    others = _other_types()
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type in others:
            value.type.tensor_type.elem_type = _single()
    for tensor in graph.initializer:
        _change_tensor(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            _change_attribute(attribute)
        for inner in inner_graphs(node):
            _change_graph(inner)


def _change_attribute(attribute: Any) -> None:
    if attribute.name in TYPED_ATTRIBUTES and attribute.i in _other_types():
        attribute.i = _single()
    for tensor in [attribute.t] if attribute.HasField("t") else attribute.tensors:
        _change_tensor(tensor)


def _change_tensor(tensor: Any) -> None:
    import numpy as np
    import onnx

    if tensor.data_type in _other_types():
        values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def _single() -> int:
    from onnx import TensorProto

    return int(TensorProto.FLOAT)


def _require_unquantised(graph: OnnxGraph, name: str) -> None:
    kinds = [node.op_type for node in _all_nodes(graph.graph) if node.op_type in QUANTISED_KINDS]
    if kinds:
        counts = Counter(kinds).most_common(SHOWN_KINDS)
        raise ConversionFailed(
            f"{name} is quantised: {', '.join(f'{number} {kind}' for kind, number in counts)}",
            remedy="add the network as it was before quantisation: piyard stores its weights in "
            "fp16 by itself",
        )


def require_standard(graph: OnnxGraph, name: str) -> None:
    """Raise ``ConversionFailed`` for operations that are not ONNX's own."""
    foreign = [node for node in _all_nodes(graph.graph) if node.domain not in {"", "ai.onnx"}]
    if not foreign:
        return
    node = foreign[0]
    kinds = sorted({f"{each.domain}.{each.op_type}" for each in foreign})[:SHOWN_KINDS]
    remedy = (
        "add the file as it was before onnxruntime's optimiser"
        if node.domain.startswith("com.microsoft")
        else "export it with operations of ONNX alone"
    )
    raise ConversionFailed(
        f"{name} has {format_count(len(foreign), 'operation')} that ONNX itself has not: "
        f"{', '.join(kinds)}",
        evidence=f"the first is '{node.name or node.output[0]}'",
        remedy=f"{remedy}, or cut the net before it: --cut {node.input[0] if node.input else ''}",
    )


def _all_nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for inner in inner_graphs(node):
            yield from _all_nodes(inner)
