"""The anchors of an exported YOLOv5 or YOLOv7, read from what the file computes.

The export decodes its maps; how large a box is for which values shows the anchor that it is
multiplied by, and whether everything else is decoded as a head of kind ``yolov5`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piyard.convert.own.cutting import HeadMaps
from piyard.convert.own.decoding import UNIT_RANGE, run_file
from piyard.core.errors import WrongInput
from piyard.models.definition import Model
from piyard.models.networks import inference
from piyard.models.synthetic import random_tensor
from piyard.vision.dense_head import sigmoid
from piyard.vision.head_schema import Yolov5

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Floats

FIRST_ANCHOR = ((1.0, 1.0),)
"""Stands for the anchors of a map until they are read."""
BOX_AND_OBJECT = 5
RELATIVE = 2e-3
"""How far values that should be the same may be apart."""


def read_anchors(file: Path, model: Model, maps: HeadMaps, classes: int) -> list[Any]:
    """(maps, anchors, 2): width and height of each anchor, in pixels of the input.

    Raises ``WrongInput`` where the file does not decode its maps as YOLOv5 and YOLOv7 do.
    """
    if not isinstance(model.head, Yolov5) or not maps.cut:
        raise _no_anchors(file, "it does not end with decoded boxes")
    with inference():
        noise = random_tensor(model.input, span=UNIT_RANGE)
        outputs = run_file(file, model.network, model.input, (), noise)
        raw = run_file(file, model.network, model.input, maps.cut, noise)
    channels = BOX_AND_OBJECT + classes
    tables = [_rows(each, channels) for each in raw[: len(model.head.strides)]]
    own = _own_rows(outputs, sum(len(table) for table in tables), channels)
    if own is None:
        raise _no_anchors(file, f"its output does not have {channels} values a box")
    anchors: list[Any] = []
    for table, each in zip(tables, raw, strict=False):
        count = each.shape[0] // channels
        decoded, own = own[: len(table)], own[len(table) :]
        anchors.append(_solve_map(file, table, decoded, count))
    return anchors


def describe_anchors(anchors: Sequence[Sequence[Sequence[float]]]) -> str:
    """A line for the user."""
    maps = [" ".join(f"{width:g}x{height:g}" for width, height in each) for each in anchors]
    return f"its anchors, by what it computes: {'; '.join(maps)}"


def _no_anchors(file: Path, why: str) -> WrongInput:
    return WrongInput(
        f"{file.name}: its anchors cannot be read: {why}",
        remedy="export it as its authors do, decoded and without suppression: python export.py "
        "--include onnx",
    )


def _rows(values: Floats, channels: int) -> Doubles:
    """(anchors x rows x columns, channels) of a map (anchors x channels, rows, columns)."""
    import numpy as np

    count = values.shape[0] // channels
    split = values.reshape(count, channels, -1).astype(np.float64)
    rows: Doubles = split.transpose(0, 2, 1).reshape(-1, channels)
    return rows


def _own_rows(outputs: Sequence[Floats], count: int, channels: int) -> Doubles | None:
    import numpy as np

    shaped = [each for each in outputs if each.shape == (count, channels)]
    return shaped[0].astype(np.float64) if shaped else None


def _solve_map(file: Path, table: Doubles, decoded: Doubles, count: int) -> list[list[float]]:
    import numpy as np

    shares = sigmoid(table)
    if not np.allclose(shares[:, 4:], decoded[:, 4:], atol=RELATIVE):
        raise _no_anchors(file, "its scores are not sigmoids of its maps")
    sides = (decoded[:, 2:4] / (2 * shares[:, 2:4]) ** 2).reshape(count, -1, 2)
    anchors: Doubles = np.median(sides, axis=1)
    if not np.allclose(sides, anchors[:, None], rtol=RELATIVE):
        raise _no_anchors(file, "its boxes are not as large as its anchors say")
    return [[float(f"{side:.7g}") for side in anchor] for anchor in anchors.tolist()]
