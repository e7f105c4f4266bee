"""ONNX inputs as piyard feeds them: channels first, and levels as floats.

TensorFlow's exports take pictures with the channels last, others as bytes, and begin with what
turns them: a Transpose, a Cast. The input is turned instead, and those nodes go; what they would
have computed is what is fed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piyard.convert.onnx.graph import OnnxGraph, declared_shape, graph_inputs

TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
"""Permutations of (batch, channels, rows, columns) and of (batch, rows, columns, channels)."""
PICTURE_CHANNELS = (1, 3, 4)


def has_channels_last(shape: Sequence[int]) -> bool:
    """Whether an input of that shape, 0 where it is open, is a picture with the channels last."""
    if len(shape) != 4 or shape[3] not in PICTURE_CHANNELS:
        return False
    return shape[1] not in PICTURE_CHANNELS


def picture_shape(shape: Sequence[int]) -> list[int]:
    """Channels, rows, columns of an input of that shape with the batch in front."""
    if has_channels_last(shape):
        return [shape[3], shape[1], shape[2]]
    return list(shape[1:])


def turn_inputs(graph: OnnxGraph, shapes: Sequence[Sequence[int]]) -> OnnxGraph:
    """A copy that takes pictures of these shapes, channels first, as floats; itself if it does."""
    import onnx

    inputs = graph_inputs(graph)
    last = [
        value.name
        for value, shape in zip(inputs, shapes, strict=False)
        if has_channels_last(sides := declared_shape(value)) and shape[0] == sides[3]
    ]
    whole = [value.name for value in inputs if has_bytes(value)]
    if not last and not whole:
        return graph
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    del copy.graph.value_info[:]
    for name in whole:
        _widen_bytes(copy, name)
    for name in last:
        _turn_input(copy, name)
    return copy


def has_bytes(value: Any) -> bool:
    """Whether an input holds levels as whole numbers of 8 bits."""
    import onnx

    return bool(value.type.tensor_type.elem_type == onnx.TensorProto.UINT8)


def _widen_bytes(graph: OnnxGraph, name: str) -> None:
    """The input becomes one of floats; casts of it to floats go."""
    import onnx

    value = next(value for value in graph.graph.input if value.name == name)
    value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    alike = {name}
    for node in list(graph.graph.node):
        if node.input and node.input[0] in alike and node.op_type in {"Transpose", "Identity"}:
            alike.add(node.output[0])
        elif node.op_type == "Cast" and node.input[0] in alike:
            _bypass(graph, node)


def _turn_input(graph: OnnxGraph, name: str) -> None:
    """What reads the input reads it turned; a reader that turns it itself goes."""
    import onnx

    value = next(value for value in graph.graph.input if value.name == name)
    dims = value.type.tensor_type.shape.dim
    _, rows, columns, channels = declared_shape(value)
    for dim, side in zip(dims[1:], (channels, rows, columns), strict=True):
        dim.Clear()
        if side:
            dim.dim_value = side
    turned = f"{name}_channels_last"
    for node in graph.graph.node:
        node.input[:] = [turned if each == name else each for each in node.input]
    for node in list(graph.graph.node):
        if (
            node.op_type == "Transpose"
            and node.input[0] == turned
            and _permutation(node) == TO_FIRST
        ):
            node.input[0] = name
            _bypass(graph, node)
    if any(turned in node.input for node in graph.graph.node):
        transpose = onnx.helper.make_node("Transpose", [name], [turned], perm=TO_LAST)
        graph.graph.node.insert(0, transpose)


def _permutation(node: Any) -> list[int]:
    return next((list(each.ints) for each in node.attribute if each.name == "perm"), [])


def _bypass(graph: OnnxGraph, node: Any) -> None:
    """Who reads what the node makes reads what it reads; the node goes."""
    source, result = node.input[0], node.output[0]
    for reader in graph.graph.node:
        reader.input[:] = [source if each == result else each for each in reader.input]
    graph.graph.node.remove(node)
