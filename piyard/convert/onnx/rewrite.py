"""ONNX graphs rewritten: cut to some tensors, and YOLOX's strided rearrangement as one convolution.

YOLOX begins by taking every second pixel of every second row, four times from other starts, and
concatenating the four small pictures; a convolution follows. ncnn slices without steps only. But a
kernel of k x k over pixels t apart is a kernel of (t k) x (t k) over all pixels whose other weights
are zero, so the two steps are exactly one convolution with t times the kernel, stride and padding:
the products are the same, only zeros are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.convert.onnx.graph import (
    GraphIndex,
    OnnxGraph,
    declared_tensors,
    graph_inputs,
    tensors_read,
)
from piyard.core.errors import ConversionFailed, did_you_mean

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


def cut_graph(graph: OnnxGraph, tensors: Sequence[str] = ()) -> OnnxGraph:
    """A copy whose outputs are these tensors, in that order, without what they do not need.

    Without names its outputs stay. Raises ``ConversionFailed`` for a tensor there is not. Not by
    onnx.utils.Extractor: that drops what inner graphs (If, Loop) read from outside, and refuses
    tensors whose type the file does not declare.
    """
    import onnx

    outputs = list(tensors) or [value.name for value in graph.graph.output]
    _require_tensors(graph, outputs)
    numbers, needed_tensors = _needed_nodes(graph, outputs)
    part = onnx.ModelProto()
    part.CopyFrom(graph)
    _replace_values(part.graph.node, [graph.graph.node[number] for number in sorted(numbers)])
    _replace_values(
        part.graph.initializer, [t for t in graph.graph.initializer if t.name in needed_tensors]
    )
    _replace_values(
        part.graph.input, [value for value in graph_inputs(graph) if value.name in needed_tensors]
    )
    _replace_values(part.graph.output, [_declared_output(graph, name) for name in outputs])
    return part


def _require_tensors(graph: OnnxGraph, outputs: Sequence[str]) -> None:
    computed = {name for node in graph.graph.node for name in node.output}
    for name in outputs:
        if name not in computed:
            raise ConversionFailed(
                f"the ONNX graph computes no tensor '{name}'{did_you_mean(name, computed)}",
                remedy="correct `cut` in the model's YAML",
            )


def _needed_nodes(graph: OnnxGraph, outputs: Sequence[str]) -> tuple[set[int], set[str]]:
    """The nodes, by their place in the file, and the tensors that the wanted ones come from."""
    nodes = list(graph.graph.node)
    makers = {name: number for number, node in enumerate(nodes) for name in node.output}
    numbers: set[int] = set()
    needed, pending = set(outputs), list(outputs)
    while pending:
        number = makers.get(pending.pop())
        if number is not None and number not in numbers:
            numbers.add(number)
            pending += tensors_read(nodes[number]) - needed
            needed |= tensors_read(nodes[number])
    return numbers, needed


def _replace_values(field: Any, values: Sequence[Any]) -> None:
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(copies)


def _declared_output(graph: OnnxGraph, name: str) -> Any:
    """How the graph itself declares the tensor, else a tensor of floats."""
    import onnx

    declaration = next((value for value in declared_tensors(graph) if value.name == name), None)
    if declaration is not None:
        return declaration
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)


ROWS, COLUMNS = 2, 3
"""The axes of a picture (1, channels, rows, columns)."""
TO_THE_END = 1 << 20
"""A slice up to here goes to the end: exporters write the largest integer."""


class StridedSlice(msgspec.Struct, frozen=True, kw_only=True):
    """Every ``step``-th pixel of every ``step``-th row of a tensor."""

    source: str
    row: int
    column: int
    step: int


def rewrite_focus(graph: OnnxGraph) -> OnnxGraph:
    """A copy in which each such pair is one convolution; the graph itself when there is none."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    index = GraphIndex(copy)
    done = [
        _rewrite_concat(copy, index, node) for node in copy.graph.node if node.op_type == "Concat"
    ]
    return cut_graph(copy) if any(done) else graph


def _rewrite_concat(graph: OnnxGraph, index: GraphIndex, concat: Any) -> bool:
    import onnx

    parts, conv = _concat_slices(index, concat), index.only_reader(concat.output[0])
    kernel = _conv_kernel(index, conv) if parts and conv is not None else None
    if conv is None or kernel is None:
        return False
    name = f"{conv.input[1]}_every_{parts[0].step}"
    graph.graph.initializer.append(onnx.numpy_helper.from_array(spread_kernel(kernel, parts), name))
    conv.input[0], conv.input[1] = parts[0].source, name
    _enlarge_conv(conv, kernel, parts[0].step)
    return True


def spread_kernel(kernel: Floats, parts: list[StridedSlice]) -> Floats:
    """The kernel (out, parts x channels, k, k) as one over the source: (out, channels, tk, tk)."""
    import numpy as np

    out, channels, rows, columns = kernel.shape
    step, each = parts[0].step, channels // len(parts)
    wide = np.zeros((out, each, rows * step, columns * step), kernel.dtype)
    for number, part in enumerate(parts):
        of_part = kernel[:, number * each : (number + 1) * each]
        wide[:, :, part.row :: step, part.column :: step] += of_part
    return wide


def _concat_slices(index: GraphIndex, concat: Any) -> list[StridedSlice]:
    """What is put one after another along the channels; nothing when it is anything else."""
    if index.attribute(concat, "axis") not in {1, -3}:
        return []
    parts = [part for name in concat.input if (part := _strided_slice(index, name))]
    alike = len({(part.source, part.step) for part in parts}) == 1
    return parts if alike and len(parts) == len(concat.input) else []


def _strided_slice(index: GraphIndex, name: str) -> StridedSlice | None:
    """The slices, one after another, that make the tensor, as one."""
    slices: dict[int, tuple[int, int]] = {}
    while (node := index.makers.get(name)) is not None and node.op_type == "Slice":
        axes = _slice_axes(index, node)
        if axes is None or slices.keys() & axes.keys():
            return None
        slices |= axes
        name = node.input[0]
    if slices.keys() != {ROWS, COLUMNS} or slices[ROWS][1] != slices[COLUMNS][1]:
        return None
    (row, step), (column, _) = slices[ROWS], slices[COLUMNS]
    inside = step > 1 and 0 <= row < step and 0 <= column < step
    return StridedSlice(source=name, row=row, column=column, step=step) if inside else None


def _slice_axes(index: GraphIndex, node: Any) -> dict[int, tuple[int, int]] | None:
    """Axis → start and step of a slice that goes on to the end of each axis."""
    constants = [index.constant(name) for name in node.input[1:]]
    if len(constants) != 4:
        return None
    starts, ends, axes, steps = (
        None if values is None else values.tolist() for values in constants
    )
    if starts is None or ends is None or axes is None or steps is None or min(ends) < TO_THE_END:
        return None
    places = [axis % 4 for axis in axes]
    return dict(zip(places, zip(starts, steps, strict=True), strict=True))


def _conv_kernel(index: GraphIndex, conv: Any) -> Floats | None:
    """The weights of a convolution that looks at neighbours only and has a single group."""
    if conv.op_type != "Conv" or index.attribute(conv, "group", 1) != 1:
        return None
    if set(index.attribute(conv, "dilations", [1])) != {1}:
        return None
    if index.attribute(conv, "auto_pad", b"NOTSET") != b"NOTSET":
        return None
    return index.constant(conv.input[1])


def _enlarge_conv(conv: Any, kernel: Floats, step: int) -> None:
    """Kernel, stride and padding of the convolution, over all pixels."""
    import onnx

    attributes = {
        attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in conv.attribute
    }
    shape = {
        "kernel_shape": list(kernel.shape[2:]),
        "strides": attributes.get("strides", [1, 1]),
        "pads": attributes.get("pads", [0, 0, 0, 0]),
    }
    rest = [attribute for attribute in conv.attribute if attribute.name not in shape]
    wide = {name: [step * number for number in values] for name, values in shape.items()}
    del conv.attribute[:]
    conv.attribute.extend(rest)
    conv.attribute.extend(onnx.helper.make_attribute(name, values) for name, values in wide.items())
