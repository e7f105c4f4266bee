"""The keypoints of one object, from a network that was shown only that object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from piyard.heads.misfit import misfit
from piyard.model.head import Heatmap, Simcc
from piyard.preprocess.placing import Placing

if TYPE_CHECKING:
    from piyard.model.steps import Doubles, Floats, Indices


def decode_pose(
    head: Simcc | Heatmap, outputs: Sequence[Floats], size: tuple[int, int], placing: Placing
) -> Doubles:
    """(keypoints, 3) of x, y in the picture and score, as the network gave it.

    ``size`` is the network's input (rows, columns). Raises ``WrongInput`` when the outputs are not
    what the head says.
    """
    import numpy as np

    if isinstance(head, Simcc):
        inside, score = _simcc(head, outputs, size)
    else:
        inside, score = _heatmap(outputs, size)
    return np.concatenate([placing.points_to_picture(inside), score[:, None]], axis=1)


def _simcc(
    head: Simcc, outputs: Sequence[Floats], size: tuple[int, int]
) -> tuple[Doubles, Doubles]:
    """Points (keypoints, 2) in the input, and scores."""
    import numpy as np

    bins = [round(side * head.split) for side in size[::-1]]
    if [output.ndim for output in outputs] != [2, 2] or [
        output.shape[1] for output in outputs
    ] != bins:
        raise misfit(f"two outputs of {bins[0]} and {bins[1]} bins", outputs)
    points = np.stack([output.argmax(axis=1) for output in outputs], axis=1) / head.split
    score = np.min([output.max(axis=1) for output in outputs], axis=0).astype(np.float64)
    return points, score


def _heatmap(outputs: Sequence[Floats], size: tuple[int, int]) -> tuple[Doubles, Doubles]:
    """Points (keypoints, 2) in the input, and scores."""
    import numpy as np

    if len(outputs) != 1 or outputs[0].ndim != 3:
        raise misfit("one output (keypoints, rows, columns)", outputs)
    maps = outputs[0].astype(np.float64)
    count, rows, columns = maps.shape
    flat = maps.reshape(count, -1)
    row, column = np.divmod(flat.argmax(axis=1), columns)
    each = np.arange(count)
    x = column + _quarter(maps[each, row], column)
    y = row + _quarter(maps[each, :, column], row)
    points = np.stack([x * (size[1] / columns), y * (size[0] / rows)], axis=1)
    return points, flat.max(axis=1)


def _quarter(lines: Doubles, at: Indices) -> Doubles:
    """A quarter towards the larger neighbour of ``at`` in each line; 0 where it has only one."""
    import numpy as np

    each, last = np.arange(len(lines)), lines.shape[1] - 1
    right, left = lines[each, np.minimum(at + 1, last)], lines[each, np.maximum(at - 1, 0)]
    return np.where((at > 0) & (at < last), np.sign(right - left) * 0.25, 0.0)
