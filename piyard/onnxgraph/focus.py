"""A strided rearrangement before a convolution, as one convolution of the picture itself.

YOLOX begins by taking every second pixel of every second row, four times from other starts, and
putting the four small pictures one after another; a convolution follows. ncnn slices without
steps only. But a kernel of k x k over pixels t apart is a kernel of (t k) x (t k) over all pixels
whose other weights are zero, so the two steps are exactly one convolution with t times the kernel,
stride and padding: the products are the same ones, only zeros are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from piyard.onnxgraph.cut import cut
from piyard.onnxgraph.known import Known
from piyard.onnxgraph.read import Graph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

ROWS, COLUMNS = 2, 3
"""The axes of a picture (1, channels, rows, columns)."""
FAR = 1 << 20
"""A slice up to here goes to the end: exporters write the largest integer."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Every ``step``-th pixel of every ``step``-th row of a tensor."""

    source: str
    row: int
    column: int
    step: int


def rewrite_focus(graph: Graph) -> Graph:
    """A copy in which each such pair is one convolution; the graph itself when there is none."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    index = Known(copy)
    done = [_rewrite(copy, index, node) for node in copy.graph.node if node.op_type == "Concat"]
    return cut(copy) if any(done) else graph


def _rewrite(graph: Graph, index: Known, concat: Any) -> bool:
    import onnx

    parts, conv = _parts(index, concat), index.only_reader(concat.output[0])
    kernel = _kernel(index, conv) if parts and conv is not None else None
    if conv is None or kernel is None:
        return False
    name = f"{conv.input[1]}_every_{parts[0].step}"
    graph.graph.initializer.append(onnx.numpy_helper.from_array(spread(kernel, parts), name))
    conv.input[0], conv.input[1] = parts[0].source, name
    _enlarge(conv, kernel, parts[0].step)
    return True


def spread(kernel: Array, parts: list[Part]) -> Array:
    """The kernel (out, parts x channels, k, k) as one over the source: (out, channels, tk, tk)."""
    import numpy as np

    out, channels, rows, columns = kernel.shape
    step, each = parts[0].step, channels // len(parts)
    wide = np.zeros((out, each, rows * step, columns * step), kernel.dtype)
    for number, part in enumerate(parts):
        of_part = kernel[:, number * each : (number + 1) * each]
        wide[:, :, part.row :: step, part.column :: step] += of_part
    return wide


def _parts(index: Known, concat: Any) -> list[Part]:
    """What is put one after another along the channels; nothing when it is anything else."""
    if index.attribute(concat, "axis") not in {1, -3}:
        return []
    parts = [part for name in concat.input if (part := _part(index, name))]
    alike = len({(part.source, part.step) for part in parts}) == 1
    return parts if alike and len(parts) == len(concat.input) else []


def _part(index: Known, name: str) -> Part | None:
    """The slices, one after another, that make the tensor, as one."""
    slices: dict[int, tuple[int, int]] = {}
    while (node := index.makers.get(name)) is not None and node.op_type == "Slice":
        axes = _sliced(index, node)
        if axes is None or slices.keys() & axes.keys():
            return None
        slices |= axes
        name = node.input[0]
    if slices.keys() != {ROWS, COLUMNS} or slices[ROWS][1] != slices[COLUMNS][1]:
        return None
    (row, step), (column, _) = slices[ROWS], slices[COLUMNS]
    inside = step > 1 and 0 <= row < step and 0 <= column < step
    return Part(source=name, row=row, column=column, step=step) if inside else None


def _sliced(index: Known, node: Any) -> dict[int, tuple[int, int]] | None:
    """Axis → start and step of a slice that goes on to the end of each axis."""
    constants = [index.constant(name) for name in node.input[1:]]
    if len(constants) != 4:
        return None
    starts, ends, axes, steps = (
        None if values is None else values.tolist() for values in constants
    )
    if starts is None or ends is None or axes is None or steps is None or min(ends) < FAR:
        return None
    places = [axis % 4 for axis in axes]
    return dict(zip(places, zip(starts, steps, strict=True), strict=True))


def _kernel(index: Known, conv: Any) -> Array | None:
    """The weights of a convolution that looks at neighbours only and has a single group."""
    if conv.op_type != "Conv" or index.attribute(conv, "group", 1) != 1:
        return None
    if set(index.attribute(conv, "dilations", [1])) != {1}:
        return None
    if index.attribute(conv, "auto_pad", b"NOTSET") != b"NOTSET":
        return None
    return index.constant(conv.input[1])


def _enlarge(conv: Any, kernel: Array, step: int) -> None:
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
