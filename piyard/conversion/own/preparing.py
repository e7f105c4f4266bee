"""How a picture is prepared is read as far as an exporter noted it.

Read are sizes and names of Ultralytics' own preparation, ONNX's standard metadata of images
(onnx/docs/MetadataProps.md), and mean, deviation and crop under timm's and torchvision's keys.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any

from piyard.conversion.own.usual import LEVELS, PLAIN

RANGES: dict[str, dict[str, Any]] = {
    "nominalrange_0_255": PLAIN,
    "normalized_0_1": PLAIN | {"norm": [1 / LEVELS] * 3},
    "normalized_1_1": {"mean": [LEVELS / 2] * 3, "norm": [2 / LEVELS] * 3},
}
ORDERS = {"rgb8": "rgb", "rgba8": "rgb", "bgr8": "bgr", "bgra8": "bgr", "rgb": "rgb", "bgr": "bgr"}
ORDER_KEYS = ("Image.BitmapPixelFormat", "channel_order", "color_order")
MEAN_KEYS, DEVIATION_KEYS = ("mean", "image_mean"), ("std", "image_std")
RANGE_KEY, SIZE_KEY = "Image.NominalPixelRange", "input_size"
KEYS = (*ORDER_KEYS, *MEAN_KEYS, *DEVIATION_KEYS, RANGE_KEY, SIZE_KEY, "crop_pct", "interpolation")
"""All keys that are read, apart from Ultralytics' own."""
RESAMPLES = frozenset({"bilinear", "bicubic", "nearest"})
LONGEST = 1_000_000
"""Characters of a note that is parsed; the names of a thousand classes have some 20,000."""


def transformed(transforms: Any, rows: int, columns: int) -> dict[str, Any]:
    """``preprocess`` from torchvision's transforms, which Ultralytics saves with a classifier.

    Only their attributes are loaded: a ``Resize`` has an interpolation, a ``CenterCrop`` has
    none, a ``Normalize`` has mean and deviation of levels from 0 to 1. Its trainer leaves a crop of
    another size aside, and so do we.
    """
    steps = vars(transforms).get("transforms") if hasattr(transforms, "__dict__") else None
    attributes = [vars(step) for step in _items(steps) if hasattr(step, "__dict__")]
    keys: dict[str, Any] = {}
    for step in attributes:
        keys |= _levels({key: _items(step.get(key)) for key in ("mean", "std")})
    sized = [step for step in attributes if "size" in step]
    resizes = [step["size"] for step in sized if "interpolation" in step]
    crops = [step["size"] for step in sized if "interpolation" not in step]
    if len(resizes) == len(crops) == 1 and _items(crops[0]) == [rows, columns] == [rows, rows]:
        short = resizes[0]
        if type(short) is int and short >= rows:
            keys |= {"fit": "crop", "resize": short, "crop": rows, "resample": "bilinear"}
    return keys


def _items(values: Any) -> list[Any]:
    """The items of a list, a tuple or a tensor; none of anything else."""
    listed = values.tolist() if hasattr(values, "tolist") else values
    return list(listed) if isinstance(listed, (list, tuple)) else []


def noted(notes: Mapping[str, Any], rows: int, columns: int) -> dict[str, Any]:
    """The part of a model's ``preprocess`` in these notes; what cannot be read is left out."""
    order = str(_first(notes, ORDER_KEYS) or "").lower()
    levels = RANGES.get(str(notes.get(RANGE_KEY, "")).lower(), {})
    return {
        **({"order": ORDERS[order]} if order in ORDERS else {}),
        **levels,
        **_levels(notes),
        **_crop(notes, rows, columns),
    }


def size(notes: Mapping[str, Any]) -> str:
    """timm's ``input_size``, as ``--input`` has it."""
    sides = literal(notes.get(SIZE_KEY))
    is_size = isinstance(sides, (list, tuple)) and len(sides) == 3
    if not is_size or not all(type(side) is int and side > 0 for side in sides):
        return ""
    return ",".join(map(str, sides))


def literal(note: Any) -> Any:
    """The value of a Python or JSON literal; None for other text.

    No code is run. What is not text stays as it is.
    """
    if not isinstance(note, str):
        return note
    try:
        return ast.literal_eval(note) if len(note) <= LONGEST else None
    except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _first(notes: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((notes[key] for key in keys if key in notes), None)


def _levels(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Mean and deviation of levels from 0 to 1, as these libraries have them, or from 0 to 255."""
    mean, deviation = (_triple(_first(notes, keys)) for keys in (MEAN_KEYS, DEVIATION_KEYS))
    if not mean or not deviation or min(deviation) <= 0:
        return {}
    scale = LEVELS if max(*mean, *deviation) <= 1 else 1.0
    return {
        "mean": [scale * level for level in mean],
        "norm": [1 / (scale * level) for level in deviation],
    }


def _crop(notes: Mapping[str, Any], rows: int, columns: int) -> dict[str, Any]:
    """timm's: the middle of the picture, a share of it, for a square input."""
    share = literal(notes.get("crop_pct"))
    if rows != columns or not isinstance(share, (int, float)) or not 0 < share <= 1:
        return {}
    resample = str(notes.get("interpolation", "bilinear"))
    if resample not in RESAMPLES:
        return {}
    resize = math.floor(rows / share)
    return {"fit": "crop", "resize": resize, "crop": rows, "resample": resample}


def _triple(note: Any) -> list[float]:
    values = literal(note)
    if not isinstance(values, (list, tuple)) or len(values) != 3:
        return []
    is_number = all(type(value) in {int, float} and math.isfinite(value) for value in values)
    return [float(value) for value in values] if is_number else []
