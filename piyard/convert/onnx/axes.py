"""What an ONNX graph computes, on tensors of so few axes as ncnn has.

A window's attention is computed for all windows, heads, rows and columns: with a batch of one in
front that is one axis too many, and without it ncnn takes the windows for the batch. An operation
that treats its axes alike gives the same values on fewer of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from piyard.convert.onnx.edit import Attributes, GraphEdit, Rule, Shape
from piyard.convert.onnx.layout import MAX_AXES, needs_layout

UNARY_KINDS = (
    *("Abs", "Ceil", "Celu", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid"),
    *("HardSwish", "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu"),
    *("Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Tanh", "ThresholdedRelu"),
)
BINARY_KINDS = ("Add", "Div", "Max", "Min", "Mul", "Pow", "Sub")


def _attributes(node: Any, **changed: object) -> Attributes:
    import onnx

    own = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    return own | changed


def flatten_unary(edit: GraphEdit, node: Any) -> bool:
    """An operation on each value for itself."""
    shape = edit.shape(node.output[0])
    if shape is None or not shape or not needs_layout(shape):
        return False
    rows = (1, prod(shape[:-1]), shape[-1])
    source = edit.reshape(node.input[0], rows)
    inputs = [source, *node.input[1:]]
    result = edit.emit(node.op_type, inputs, rows, attributes=_attributes(node))
    edit.reshape(result, shape, node.output[0])
    return True


def flatten_last_axis(edit: GraphEdit, node: Any) -> bool:
    """An operation along the last axis: a softmax, a normalisation."""
    shape = edit.shape(node.output[0])
    if shape is None or not needs_layout(shape):
        return False
    if edit.attribute(node, "axis", -1) % len(shape) != len(shape) - 1:
        return False
    rows = (1, prod(shape[:-1]), shape[-1])
    inputs = [edit.reshape(node.input[0], rows), *node.input[1:]]
    result = edit.emit(node.op_type, inputs, rows, attributes=_attributes(node, axis=-1))
    edit.reshape(result, shape, node.output[0])
    return True


def merge_batches(edit: GraphEdit, node: Any) -> bool:
    """A product of matrices: rows by one matrix, or each of a batch by its own."""
    left, right = (edit.shape(name) for name in node.input)
    result = edit.shape(node.output[0])
    if not left or not right or not result or not needs_layout(result) or len(left) < 2:
        return False
    if len(right) == 2:
        inputs = [edit.reshape(node.input[0], (1, prod(left[:-1]), left[-1])), node.input[1]]
        few: Shape = (1, prod(left[:-1]), right[-1])
    elif left[:-2] == right[:-2]:
        batch = prod(left[:-2])
        inputs = [
            edit.reshape(name, (1, batch, *shape[-2:]))
            for name, shape in zip(node.input, (left, right), strict=True)
        ]
        few = (1, batch, left[-2], right[-1])
    else:
        return False
    edit.reshape(edit.emit("MatMul", inputs, few), result, node.output[0])
    return True


def merge_alike_axes(edit: GraphEdit, node: Any) -> bool:
    """An operation on pairs of values, one tensor perhaps repeated along some axes."""
    result = edit.shape(node.output[0])
    shapes = [edit.shape(name) for name in node.input]
    if not result or len(shapes) != 2 or any(shape is None for shape in shapes):
        return False
    if not any(needs_layout(shape) and prod(shape) > 1 for shape in [result, *shapes] if shape):
        return False
    sides = merge_sides(result, [shape for shape in shapes if shape is not None])
    if len(sides[0]) > MAX_AXES:
        return False
    inputs = [
        edit.reshape(name, (1, *few)) if shape else name
        for name, shape, few in zip(node.input, shapes, sides[1:], strict=True)
    ]
    few = edit.emit(node.op_type, inputs, (1, *sides[0]), attributes=_attributes(node))
    edit.reshape(few, result, node.output[0])
    return True


def merge_sides(result: Shape, shapes: Sequence[Shape]) -> list[Shape]:
    """The sides of the result and of each shape, neighbours merged that are repeated alike."""
    padded = [(1,) * (len(result) - len(shape)) + shape for shape in shapes]
    merged: list[tuple[list[int], tuple[bool, ...]]] = []
    for axis, side in enumerate(result):
        if side == 1:
            continue
        repeated = tuple(shape[axis] == 1 for shape in padded)
        if merged and merged[-1][1] == repeated:
            merged[-1][0].append(axis)
        else:
            merged.append(([axis], repeated))
    groups = [axes for axes, _ in merged] or [[0]]
    return [
        tuple(prod(shape[axis] for axis in axes) for axes in groups) for shape in (result, *padded)
    ]


def reduce_by_pooling(edit: GraphEdit, node: Any) -> bool:
    """A mean, sum, norm or extreme over neighbouring axes as a pooling over all of them.

    From opset 18 on the axes of a reduction are an input, which pnnx does not read.
    """
    shape, result = edit.shape(node.input[0]), edit.shape(node.output[0])
    axes = _reduced_axes(edit, node, len(shape or ()))
    if not shape or result is None or not axes or axes[-1] - axes[0] >= len(axes):
        return False
    outer, inner = prod(shape[: axes[0]]), prod(shape[axes[-1] + 1 :])
    side = prod(shape[axis] for axis in axes)
    source = edit.reshape(node.input[0], (1, outer, side, inner))
    pooled = _POOLINGS[node.op_type](edit, source, side)
    edit.reshape(pooled, result, node.output[0])
    return True


def _pool(edit: GraphEdit, kind: str, source: str, side: int) -> str:
    _, outer, _, inner = _known(edit, source)
    return edit.emit(kind, [source], (1, outer, 1, inner), attributes={"kernel_shape": [side, 1]})


def _known(edit: GraphEdit, name: str) -> Shape:
    """The shape of a tensor that this module has emitted."""
    return edit.shape(name) or ()


def _apply(edit: GraphEdit, kind: str, *inputs: str) -> str:
    return edit.emit(kind, inputs, _known(edit, inputs[0]))


def _mean(edit: GraphEdit, source: str, side: int) -> str:
    return _pool(edit, "AveragePool", source, side)


def _sum(edit: GraphEdit, source: str, side: int) -> str:
    return _apply(edit, "Mul", _mean(edit, source, side), edit.floats(side))


def _max(edit: GraphEdit, source: str, side: int) -> str:
    return _pool(edit, "MaxPool", source, side)


def _min(edit: GraphEdit, source: str, side: int) -> str:
    return _apply(edit, "Neg", _max(edit, _apply(edit, "Neg", source), side))


def _sum_of_magnitudes(edit: GraphEdit, source: str, side: int) -> str:
    return _sum(edit, _apply(edit, "Abs", source), side)


def _sum_of_squares(edit: GraphEdit, source: str, side: int) -> str:
    return _sum(edit, _apply(edit, "Mul", source, source), side)


def _root_of_squares(edit: GraphEdit, source: str, side: int) -> str:
    return _apply(edit, "Sqrt", _sum_of_squares(edit, source, side))


def _log_of_exponentials(edit: GraphEdit, source: str, side: int) -> str:
    """Less the largest before, plus it behind: no exponential overflows."""
    largest = _max(edit, source, side)
    powers = _apply(edit, "Exp", _apply(edit, "Sub", source, largest))
    return _apply(edit, "Add", _apply(edit, "Log", _sum(edit, powers, side)), largest)


_POOLINGS: Mapping[str, Callable[[GraphEdit, str, int], str]] = {
    "ReduceMean": _mean,
    "ReduceSum": _sum,
    "ReduceMax": _max,
    "ReduceMin": _min,
    "ReduceL1": _sum_of_magnitudes,
    "ReduceL2": _root_of_squares,
    "ReduceSumSquare": _sum_of_squares,
    "ReduceLogSumExp": _log_of_exponentials,
}
"""Kind of reduction → what emits it, of a tensor (1, outer, side, inner) over its side."""


def _reduced_axes(edit: GraphEdit, node: Any, axes: int) -> list[int]:
    """In order; none where they are computed."""
    if len(node.input) > 1 and node.input[1]:
        values = edit.constant(node.input[1])
        listed = [] if values is None else [int(value) for value in values.flat]
    else:
        listed = list(edit.attribute(node, "axes", range(axes)))
    return sorted(axis % axes for axis in listed) if axes else []


def multiply_rows(edit: GraphEdit, node: Any) -> bool:
    """A Gemm of several rows, which ncnn takes for a batch, as a product and a sum."""
    shape, weight = edit.shape(node.input[0]), edit.constant(node.input[1])
    plain = {"alpha": 1.0, "beta": 1.0, "transA": 0}
    if not shape or shape[0] == 1 or weight is None:
        return False
    if any(edit.attribute(node, name, value) != value for name, value in plain.items()):
        return False
    matrix = weight.T if edit.attribute(node, "transB", 0) else weight
    rows = (1, shape[0], matrix.shape[1])
    inputs = [edit.reshape(node.input[0], (1, *shape)), edit.add_constant(matrix.copy())]
    product = edit.emit("MatMul", inputs, rows)
    if len(node.input) > 2:
        product = edit.emit("Add", [product, node.input[2]], rows)
    edit.reshape(product, rows[1:], node.output[0])
    return True


def normalize_rows(edit: GraphEdit, node: Any) -> bool:
    """The normalisation of rows (rows, features) as a factor and a term for each feature."""
    import numpy as np

    shape = edit.shape(node.input[0])
    values = [edit.constant(name) for name in node.input[1:5]]
    if not shape or len(shape) != 2 or any(each is None for each in values):
        return False
    scale, bias, mean, variance = (np.asarray(each, np.float64) for each in values)
    factor = scale / np.sqrt(variance + edit.attribute(node, "epsilon", 1e-5))
    rows = (1, *shape)
    source = edit.reshape(node.input[0], rows)
    scaled = edit.emit("Mul", [source, edit.floats(factor)], rows)
    moved = edit.emit("Add", [scaled, edit.floats(bias - mean * factor)], rows)
    edit.reshape(moved, shape, node.output[0])
    return True


def leave_repetition(edit: GraphEdit, node: Any) -> bool:
    """An Expand before operations that repeat the tensor by themselves."""
    shape, result = edit.shape(node.input[0]), edit.shape(node.output[0])
    readers = edit.readers(node.output[0])
    if shape is None or result is None or node.output[0] in edit.output_names or not readers:
        return False
    for reader in readers:
        if reader.op_type not in BINARY_KINDS or edit.shape(reader.output[0]) != result:
            return False
    others = [name for each in readers for name in each.input if name != node.output[0]]
    if any(edit.shape(name) != result for name in others):
        return False
    edit.reshape(node.input[0], (1,) * (len(result) - len(shape)) + shape, node.output[0])
    return True


COMPUTING_RULES: Mapping[str, Sequence[Rule]] = {
    **dict.fromkeys(UNARY_KINDS, (flatten_unary,)),
    **dict.fromkeys(BINARY_KINDS, (merge_alike_axes,)),
    **dict.fromkeys(_POOLINGS, (reduce_by_pooling,)),
    **dict.fromkeys(("Softmax", "LogSoftmax", "LayerNormalization"), (flatten_last_axis,)),
    "MatMul": (merge_batches,),
    "Gemm": (multiply_rows,),
    "BatchNormalization": (normalize_rows,),
    "Expand": (leave_repetition,),
}
"""Kind of node → the rules for it."""
