"""Values chosen, repeated or replaced at constant places of an ONNX graph, as ncnn has it.

A choice of values is a few slices one after another, or the product with a matrix of zeros and
ones, which is exact: a sum has one term that is not zero. What is replaced by constants is a
product with a mask and a sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from piyard.convert.onnx.edit import GraphEdit, Rule, Shape
from piyard.convert.onnx.layout import (
    MAX_PARTS,
    AxisPart,
    find_runs,
    join_parts,
    take_part,
    transpose_axes,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


MAX_MATRIX = 1 << 20
"""Elements of a matrix that chooses or adds up."""


def select_places(
    edit: GraphEdit, source: str, shape: Shape, axis: int, places: Sequence[int]
) -> str | None:
    """The values at these places of an axis, in that order; None where they are too many."""
    runs = find_runs(places)
    result = (*shape[:axis], len(places), *shape[axis + 1 :])
    if len(runs) <= MAX_PARTS:
        parts = [
            take_part(edit, source, shape, AxisPart(axis=axis, start=start, count=count, step=step))
            for start, count, step in runs
        ]
        return join_parts(edit, parts, axis, result) if len(parts) > 1 else parts[0]
    if len(places) * shape[axis] > MAX_MATRIX:
        return None
    return multiply_axis(edit, source, shape, axis, _choosing_matrix(places, shape[axis]))


def _choosing_matrix(places: Sequence[int], side: int) -> NDArray[Any]:
    import numpy as np

    matrix = np.zeros((len(places), side), np.float32)
    matrix[np.arange(len(places)), list(places)] = 1
    return matrix


def multiply_axis(
    edit: GraphEdit, source: str, shape: Shape, axis: int, matrix: NDArray[Any]
) -> str:
    """Each column along an axis multiplied by the matrix (new side, side)."""
    outer, side, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    result = (*shape[:axis], matrix.shape[0], *shape[axis + 1 :])
    rows = transpose_axes(edit, source, (outer, side, inner), (0, 2, 1))
    flat = edit.reshape(rows, (1, outer * inner, side))
    weight = edit.add_constant(matrix.T.copy())
    product = edit.emit("MatMul", [flat, weight], (1, outer * inner, matrix.shape[0]))
    back = transpose_axes(edit, product, (outer, inner, matrix.shape[0]), (0, 2, 1))
    return edit.reshape(back, result)


def gather_places(edit: GraphEdit, node: Any) -> bool:
    """A Gather at constant places."""
    shape, places = edit.shape(node.input[0]), edit.constant(node.input[1])
    if not shape or places is None or not places.size:
        return False
    axis = edit.attribute(node, "axis", 0) % len(shape)
    listed = [int(place) % shape[axis] for place in places.flat]
    return _finish(edit, node, select_places(edit, node.input[0], shape, axis, listed))


def gather_rows(edit: GraphEdit, node: Any) -> bool:
    """A GatherND at constant places of the first axes."""
    import numpy as np

    shape, places = edit.shape(node.input[0]), edit.constant(node.input[1])
    if not shape or places is None or not places.size or edit.attribute(node, "batch_dims", 0):
        return False
    axes = places.shape[-1]
    columns = [places[..., axis].ravel() % shape[axis] for axis in range(axes)]
    listed = np.ravel_multi_index(columns, shape[:axes]).tolist()
    rows = (prod(shape[:axes]), prod(shape[axes:]))
    return _finish(edit, node, select_places(edit, node.input[0], rows, 0, listed))


def gather_elements(edit: GraphEdit, node: Any) -> bool:
    """A GatherElements at constant places, among all the values."""
    shape, places = edit.shape(node.input[0]), edit.constant(node.input[1])
    if not shape or places is None or not places.size:
        return False
    listed = _flat_places(places, shape, edit.attribute(node, "axis", 0)).ravel().tolist()
    return _finish(edit, node, select_places(edit, node.input[0], (prod(shape),), 0, listed))


def _flat_places(places: NDArray[Any], shape: Shape, axis: int) -> NDArray[Any]:
    """The places along an axis as places among all the values."""
    import numpy as np

    axis %= len(shape)
    grid = [
        places % shape[axis] if place == axis else along
        for place, along in enumerate(np.indices(places.shape))
    ]
    return np.asarray(np.ravel_multi_index(grid, shape))


def _finish(edit: GraphEdit, node: Any, selected: str | None) -> bool:
    result = edit.shape(node.output[0])
    if selected is None or result is None:
        return False
    edit.reshape(selected, result, node.output[0])
    return True


def repeat_parts(edit: GraphEdit, node: Any) -> bool:
    """A Tile or Expand as the tensor several times, axis by axis."""
    shape, result = edit.shape(node.input[0]), edit.shape(node.output[0])
    if shape is None or not result or edit.constant(node.input[0]) is not None:
        return False
    sides = (1,) * (len(result) - len(shape)) + shape
    counts = [after // before for before, after in zip(sides, result, strict=True)]
    if max(counts) > MAX_PARTS:
        return False
    current = edit.reshape(node.input[0], sides)
    for axis, count in enumerate(counts):
        if count > 1:
            sides = (*sides[:axis], sides[axis] * count, *sides[axis + 1 :])
            current = join_parts(edit, [current] * count, axis, sides)
    edit.reshape(current, result, node.output[0])
    return True


def replace_masked(edit: GraphEdit, node: Any) -> bool:
    """A Where by a constant condition between a tensor and a constant."""
    condition, *values = (edit.constant(name) for name in node.input)
    result = edit.shape(node.output[0])
    if condition is None or not result or (values[0] is None) == (values[1] is None):
        return False
    computed = 0 if values[0] is None else 1
    kept = condition if computed == 0 else ~condition
    return _mask(edit, node, node.input[1 + computed], kept, values[1 - computed])


def scatter_constants(edit: GraphEdit, node: Any) -> bool:
    """A ScatterND or ScatterElements of constants at constant places."""
    import numpy as np

    shape = edit.shape(node.input[0])
    places, updates = (edit.constant(name) for name in node.input[1:3])
    if not shape or places is None or updates is None:
        return False
    if edit.attribute(node, "reduction", b"none") != b"none":
        return False
    flat = _scattered_places(node, places, shape, edit.attribute(node, "axis", 0)).ravel()
    kept, filled = np.ones(shape, bool), np.zeros(shape, np.float32)
    kept.flat[flat], filled.flat[flat] = False, updates.ravel()
    return _mask(edit, node, node.input[0], kept, filled)


def scatter_tensor(edit: GraphEdit, node: Any) -> bool:
    """A ScatterND or ScatterElements of a tensor at constant places, as a choice among both."""
    import numpy as np

    shape, updates = edit.shape(node.input[0]), edit.shape(node.input[2])
    places = edit.constant(node.input[1])
    if not shape or updates is None or places is None:
        return False
    if edit.attribute(node, "reduction", b"none") != b"none":
        return False
    flat = _scattered_places(node, places, shape, edit.attribute(node, "axis", 0)).ravel()
    old, new = prod(shape), prod(updates)
    listed = np.arange(old)
    listed[flat] = old + np.arange(new)
    both = join_parts(edit, [node.input[0], node.input[2]], 0, (old + new,))
    return _finish(edit, node, select_places(edit, both, (old + new,), 0, listed.tolist()))


def _scattered_places(node: Any, places: NDArray[Any], shape: Shape, axis: int) -> NDArray[Any]:
    """Where each update goes among all the values."""
    import numpy as np

    if node.op_type == "ScatterElements":
        return _flat_places(places, shape, axis)
    axes = places.shape[-1]
    columns = [places[..., place] % shape[place] for place in range(axes)]
    first = np.asarray(np.ravel_multi_index(columns, shape[:axes]))
    inner = prod(shape[axes:])
    flat: NDArray[Any] = first[..., None] * inner + np.arange(inner)
    return flat


def _mask(edit: GraphEdit, node: Any, source: str, kept: NDArray[Any], other: Any) -> bool:
    """The source where it is kept, the other value elsewhere."""
    import numpy as np

    result, shape = edit.shape(node.output[0]), edit.shape(source)
    if not result or shape != result or not np.isfinite(np.where(kept, 0, other)).all():
        return False
    flat = (1, prod(result[:-1]), result[-1])
    mask = np.broadcast_to(kept, result).reshape(flat)
    fill = np.broadcast_to(np.where(kept, 0, other), result).reshape(flat)
    masked = edit.emit("Mul", [edit.reshape(source, flat), edit.floats(mask)], flat)
    filled = edit.emit("Add", [masked, edit.floats(fill)], flat)
    edit.reshape(filled, result, node.output[0])
    return True


def add_up(edit: GraphEdit, node: Any) -> bool:
    """A CumSum as the product with a triangle of ones."""
    import numpy as np

    shape, axis = edit.shape(node.input[0]), edit.constant(node.input[1])
    if not shape or axis is None:
        return False
    place = int(axis.flat[0]) % len(shape)
    if shape[place] ** 2 > MAX_MATRIX:
        return False
    side = shape[place]
    triangle = np.tril(np.ones((side, side), np.float32), -edit.attribute(node, "exclusive", 0))
    if edit.attribute(node, "reverse", 0):
        triangle = triangle.T
    return _finish(edit, node, multiply_axis(edit, node.input[0], shape, place, triangle))


def space_to_depth(edit: GraphEdit, node: Any) -> bool:
    """Blocks of pixels to channels, the place in the block first: pnnx takes the channel first."""
    shape, result = edit.shape(node.input[0]), edit.shape(node.output[0])
    if not shape or not result or len(shape) != 4:
        return False
    size = edit.attribute(node, "blocksize")
    sides = (shape[1], shape[2] // size, size, shape[3] // size, size)
    moved = transpose_axes(edit, node.input[0], sides, (2, 4, 0, 1, 3))
    edit.reshape(moved, result, node.output[0])
    return True


def depth_to_space(edit: GraphEdit, node: Any) -> bool:
    """Channels to blocks of pixels, in either order."""
    shape, result = edit.shape(node.input[0]), edit.shape(node.output[0])
    if not shape or not result or len(shape) != 4:
        return False
    size = edit.attribute(node, "blocksize")
    channels = shape[1] // size**2
    if edit.attribute(node, "mode", b"DCR") == b"DCR":
        sides, order = (size, size, channels, *shape[2:]), (2, 3, 0, 4, 1)
    else:
        sides, order = (channels, size, size, *shape[2:]), (0, 3, 1, 4, 2)
    moved = transpose_axes(edit, node.input[0], sides, order)
    edit.reshape(moved, result, node.output[0])
    return True


SELECTING_RULES: Mapping[str, Sequence[Rule]] = {
    "Gather": (gather_places,),
    "GatherND": (gather_rows,),
    "GatherElements": (gather_elements,),
    **dict.fromkeys(("Tile", "Expand"), (repeat_parts,)),
    "Where": (replace_masked,),
    **dict.fromkeys(("ScatterND", "ScatterElements"), (scatter_constants, scatter_tensor)),
    "CumSum": (add_up,),
    "SpaceToDepth": (space_to_depth,),
    "DepthToSpace": (depth_to_space,),
}
"""Kind of node → the rules for it."""
