"""Where an ONNX graph only moves values: the same in tensors of so few axes as ncnn has.

ncnn's tensors have at most four axes beside a batch of one. Windows of Swin or MaxViT, a rolled
picture, queries, keys and values in one tensor have five or six, and exporters write them as
reshapes, transpositions and selections. None of these computes, so each can be written exactly by
others with a one in front and at most four axes more:

- axes that stay neighbours in a transposition are one axis; more than four are swapped in turns;
- a part of an axis is a part of the product of that axis and those behind it;
- every n-th value is what a pooling of one value with step n lets through;
- tensors one after another are so along the product of that axis and those behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import msgspec

from piyard.convert.onnx.edit import GraphEdit, Rule, Shape

MAX_AXES = 4
"""Of a tensor of ncnn, without the batch."""
MAX_PARTS = 64
"""At most so many parts are put one after another."""


def reshape_statically(edit: GraphEdit, node: Any) -> bool:
    """Flatten, Squeeze, Unsqueeze and Reshape as a reshape to constant sides."""
    shape = edit.shape(node.output[0])
    if shape is None or edit.shape(node.input[0]) is None:
        return False
    edit.reshape(node.input[0], shape, node.output[0])
    return True


def drop_copy(edit: GraphEdit, node: Any) -> bool:
    """A node that changes nothing, as a reshape to the same shape."""
    shape = edit.shape(node.output[0])
    if shape is None or edit.shape(node.input[0]) != shape:
        return False
    edit.reshape(node.input[0], shape, node.output[0])
    return True


def drop_empty_pad(edit: GraphEdit, node: Any) -> bool:
    """A padding by nothing."""
    pads = edit.constant(node.input[1]) if len(node.input) > 1 else edit.attribute(node, "pads")
    return pads is not None and not any(pads) and drop_copy(edit, node)


def coalesce_axes(shape: Sequence[int], order: Sequence[int]) -> tuple[Shape, Shape]:
    """The sides and the order of the same transposition of the fewest axes."""
    real = [axis for axis in order if shape[axis] != 1]
    previous = {axis: before for before, axis in zip(sorted(real), sorted(real)[1:], strict=False)}
    groups: list[list[int]] = []
    for axis in real:
        if groups and previous.get(axis) == groups[-1][-1]:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    ordered = sorted(groups)
    sides = tuple(prod(shape[axis] for axis in group) for group in ordered)
    return sides, tuple(ordered.index(group) for group in groups)


def transpose_few_axes(edit: GraphEdit, node: Any) -> bool:
    """A transposition of the fewest axes, one in front; several in turns where that is too many."""
    shape = edit.shape(node.input[0])
    if shape is None:
        return False
    order = edit.attribute(node, "perm", list(reversed(range(len(shape)))))
    result = tuple(shape[axis] for axis in order)
    edit.reshape(transpose_axes(edit, node.input[0], shape, order), result, node.output[0])
    return True


def transpose_axes(edit: GraphEdit, source: str, shape: Shape, order: Sequence[int]) -> str:
    """The tensor, taken in that shape, with its axes in that order; its own shape is any."""
    sides, places = coalesce_axes(shape, order)
    if len(sides) <= MAX_AXES:
        return _transpose(edit, source, sides, places)
    return _swap_in_turns(edit, source, sides, places)


def _transpose(edit: GraphEdit, source: str, sides: Shape, places: Shape) -> str:
    if places == tuple(range(len(places))):
        return source
    shaped = edit.reshape(source, (1, *sides))
    result = (1, *(sides[place] for place in places))
    order = {"perm": [0, *(place + 1 for place in places)]}
    return edit.emit("Transpose", [shaped], result, attributes=order)


def _swap_in_turns(edit: GraphEdit, source: str, sides: Shape, places: Shape) -> str:
    """Each axis in turn to its place, past those that are in front of it."""
    current = list(range(len(sides)))
    for position, place in enumerate(places):
        at = current.index(place)
        blocks = [current[:position], current[position:at], [place], current[at + 1 :]]
        if at == position:
            continue
        folded = tuple(prod(sides[axis] for axis in block) for block in blocks)
        source = _transpose(edit, source, folded, (0, 2, 1, 3))
        current = [*blocks[0], place, *blocks[1], *blocks[3]]
    return source


class AxisPart(msgspec.Struct, frozen=True, kw_only=True):
    """Every ``step``-th place of an axis from ``start`` on, ``count`` of them."""

    axis: int
    start: int
    count: int
    step: int = 1


def take_part(edit: GraphEdit, source: str, shape: Shape, part: AxisPart, target: str = "") -> str:
    """The part of the tensor, whose shape is that, as one tensor with a one in front."""
    outer, side = prod(shape[: part.axis]), shape[part.axis]
    inner = prod(shape[part.axis + 1 :])
    result = (*shape[: part.axis], part.count, *shape[part.axis + 1 :])
    end = part.start + (part.count - 1) * part.step + 1
    current = edit.reshape(source, (1, outer, side * inner))
    if (part.start, end) != (0, side):
        bounds = [edit.integers([each]) for each in (part.start * inner, end * inner, 2)]
        current = edit.emit("Slice", [current, *bounds], (1, outer, (end - part.start) * inner))
    if part.step > 1:
        current = edit.reshape(current, (1, outer, end - part.start, inner))
        steps = {"kernel_shape": [1, 1], "strides": [part.step, 1]}
        current = edit.emit("MaxPool", [current], (1, outer, part.count, inner), attributes=steps)
    return edit.reshape(current, result, target)


def slice_parts(edit: GraphEdit, node: Any) -> bool:
    """A slice with constant bounds, axis by axis."""
    shape, result = edit.shape(node.input[0]), edit.shape(node.output[0])
    parts = _slice_bounds(edit, node, shape) if shape and result else None
    if shape is None or result is None or parts is None:
        return False
    current, sides = node.input[0], shape
    for part in parts:
        current = take_part(edit, current, sides, part)
        sides = (*sides[: part.axis], part.count, *sides[part.axis + 1 :])
    edit.reshape(current, result, node.output[0])
    return True


def _slice_bounds(edit: GraphEdit, node: Any, shape: Shape) -> list[AxisPart] | None:
    """None where the bounds are computed, or a part is empty or backwards."""
    bounds = [edit.constant(name) for name in node.input[1:]]
    lists = [values.ravel().tolist() for values in bounds if values is not None]
    if len(lists) < max(2, len(bounds)):
        return None
    starts, ends, *rest = lists
    axes = rest[0] if rest else list(range(len(starts)))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    parts: list[AxisPart] = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        side = shape[axis]
        places = range(side)[slice(start, end, step)]
        if step < 1 or not len(places):
            return None
        part = AxisPart(axis=axis % len(shape), start=places[0], count=len(places), step=step)
        parts += [] if len(places) == side else [part]
    return parts


def split_parts(edit: GraphEdit, node: Any) -> bool:
    """A Split as slices."""
    shape = edit.shape(node.input[0])
    results = [edit.shape(name) for name in node.output]
    if shape is None or any(result is None for result in results):
        return False
    axis = edit.attribute(node, "axis", 0) % len(shape)
    start = 0
    for name, result in zip(node.output, results, strict=True):
        count = result[axis] if result else 0
        part = AxisPart(axis=axis, start=start, count=count)
        take_part(edit, node.input[0], shape, part, name)
        start += count
    return True


def find_runs(places: Sequence[int]) -> list[tuple[int, int, int]]:
    """Start, count and step of the fewest runs with equal steps forward, one after another."""
    runs: list[tuple[int, int, int]] = []
    for place in places:
        start, count, step = runs[-1] if runs else (place, 0, 1)
        if runs and count == 1 and place > start:
            runs[-1] = (start, 2, place - start)
        elif runs and count > 1 and place == start + count * step:
            runs[-1] = (start, count + 1, step)
        else:
            runs.append((place, 1, 1))
    return runs


def join_parts(
    edit: GraphEdit, parts: Sequence[str], axis: int, result: Shape, target: str = ""
) -> str:
    """The tensors one after another along an axis, as one of that shape."""
    outer, inner = prod(result[:axis]), prod(result[axis + 1 :])
    flat = []
    for name in parts:
        count = prod(edit.shape(name) or ()) // (outer * inner)
        flat.append(edit.reshape(name, (1, outer, count * inner)))
    joined = edit.emit("Concat", flat, (1, outer, result[axis] * inner), attributes={"axis": 2})
    return edit.reshape(joined, result, target)


def join_few_axes(edit: GraphEdit, node: Any) -> bool:
    """A Concat of tensors that ncnn cannot have as they are."""
    result = edit.shape(node.output[0])
    shapes = [edit.shape(name) for name in node.input]
    if result is None or None in shapes or not needs_layout(result):
        return False
    axis = edit.attribute(node, "axis") % len(result)
    join_parts(edit, list(node.input), axis, result, node.output[0])
    return True


def needs_layout(shape: Shape) -> bool:
    """Whether it has more axes than ncnn, or no batch of one in front."""
    return len(shape) > MAX_AXES + 1 or shape[:1] != (1,)


MOVING_RULES: Mapping[str, Sequence[Rule]] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), (reshape_statically,)),
    **dict.fromkeys(("Identity", "Dropout", "Expand", "Tile"), (drop_copy,)),
    "Pad": (drop_empty_pad,),
    "Transpose": (transpose_few_axes,),
    "Slice": (slice_parts,),
    "Split": (split_parts,),
    "Concat": (join_few_axes,),
}
"""Kind of node → the rules for it."""
