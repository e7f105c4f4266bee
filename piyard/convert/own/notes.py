"""How a picture is prepared, as an exporter or trainer noted it beside a network.

Read are ONNX's standard metadata of images (onnx/docs/MetadataProps.md), and mean, deviation and
crop under timm's and torchvision's keys.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any

from piyard.convert.own.preparation import (
    CHANNEL_ORDERS,
    FIGURE_KEYS,
    MAX_LEVEL,
    PLAIN_LEVELS,
    UNIT_LEVELS,
    PreprocessKeys,
    spread_levels,
)
from piyard.vision.schema import CHANNELS

Notes = Mapping[str, object]
"""Metadata as somebody wrote it: nothing of it is checked."""


PIXEL_RANGES: dict[str, PreprocessKeys] = {
    "nominalrange_0_255": PLAIN_LEVELS,
    "normalized_0_1": UNIT_LEVELS,
    "normalized_1_1": {"mean": [MAX_LEVEL / 2] * 3, "norm": [2 / MAX_LEVEL] * 3},
}


NOTED_ORDERS = {
    "rgb8": "rgb",
    "rgba8": "rgb",
    "bgr8": "bgr",
    "bgra8": "bgr",
    "gray8": "gray",
    "gray": "gray",
    "grayscale": "gray",
    "l": "gray",
    "rgb": "rgb",
    "bgr": "bgr",
}


BYTES_RANGE = "NominalRange_0_255"
"""Of an input that takes levels as bytes."""


ORDER_KEYS = ("Image.BitmapPixelFormat", "channel_order", "color_order")


MEAN_KEYS, DEVIATION_KEYS = ("mean", "image_mean"), ("std", "image_std")


RANGE_KEY, SIZE_KEY = "Image.NominalPixelRange", "input_size"


PREPROCESS_KEYS = (
    *ORDER_KEYS,
    *MEAN_KEYS,
    *DEVIATION_KEYS,
    RANGE_KEY,
    SIZE_KEY,
    "crop_pct",
    "interpolation",
)
"""All keys that are read, apart from Ultralytics' own."""


RESAMPLES = frozenset({"bilinear", "bicubic", "nearest"})


MAX_TEXT = 1_000_000
"""Characters of a note that is parsed; the names of a thousand classes have some 20,000."""


def transforms_preprocess(transforms: Any, rows: int, columns: int) -> PreprocessKeys:
    """``preprocess`` from torchvision's transforms, which Ultralytics saves with a classifier.

    Only their attributes are loaded: a ``Resize`` has an interpolation, a ``CenterCrop`` has
    none, a ``Normalize`` has mean and deviation of levels from 0 to 1. Its trainer leaves a crop of
    another size aside, and so do we.
    """
    steps = vars(transforms).get("transforms") if hasattr(transforms, "__dict__") else None
    attributes = [vars(step) for step in _as_list(steps) if hasattr(step, "__dict__")]
    keys: PreprocessKeys = {}
    for step in attributes:
        levels = _noted_levels({key: _as_list(step.get(key)) for key in ("mean", "std")})
        keys = {**keys, **levels}
    sized = [step for step in attributes if "size" in step]
    resizes = [step["size"] for step in sized if "interpolation" in step]
    crops = [step["size"] for step in sized if "interpolation" not in step]
    if len(resizes) == len(crops) == 1 and _as_list(crops[0]) == [rows, columns] == [rows, rows]:
        short = resizes[0]
        if type(short) is int and short >= rows:
            crop: PreprocessKeys = {"fit": "crop", "resize": short, "crop": rows}
            keys = {**keys, **crop, "resample": "bilinear"}
    return keys


def _as_list(values: Any) -> list[Any]:
    """The items of a list, a tuple or a tensor; none of anything else."""
    listed = values.tolist() if hasattr(values, "tolist") else values
    return list(listed) if isinstance(listed, (list, tuple)) else []


def noted_preprocess(notes: Notes, rows: int, columns: int) -> PreprocessKeys:
    """The part of a model's ``preprocess`` in these notes; what cannot be read is left out."""
    order = str(_first_value(notes, ORDER_KEYS) or "").lower()
    empty: PreprocessKeys = {}
    levels = PIXEL_RANGES.get(str(notes.get(RANGE_KEY, "")).lower(), empty)
    channels: PreprocessKeys = {"order": NOTED_ORDERS[order]} if order in NOTED_ORDERS else {}
    return {
        **channels,
        **levels,
        **_noted_levels(notes),
        **_noted_crop(notes, rows, columns),
    }


def fit_channels(preprocess: PreprocessKeys, channels: int) -> PreprocessKeys:
    """Without what is for another number of channels; an alpha is counted, not noted."""
    fitting = spread_levels(preprocess, channels)
    if any(len(fitting[key]) != channels for key in FIGURE_KEYS if key in fitting):
        for key in FIGURE_KEYS:
            fitting.pop(key, None)
    order = fitting.pop("order", "")
    order = f"{order}a" if order and channels == CHANNELS["rgba"] else order
    return {**fitting, "order": order} if CHANNELS.get(order) == channels else fitting


def noted_size(notes: Notes) -> str:
    """timm's ``input_size``, as ``--input`` has it."""
    sides = parse_literal(notes.get(SIZE_KEY))
    is_size = isinstance(sides, (list, tuple)) and len(sides) == 3
    if not is_size or not all(type(side) is int and side > 0 for side in sides):
        return ""
    return ",".join(map(str, sides))


def parse_literal(note: Any) -> Any:
    """The value of a Python or JSON literal; None for other text.

    No code is run. What is not text stays as it is.
    """
    if not isinstance(note, str):
        return note
    try:
        return ast.literal_eval(note) if len(note) <= MAX_TEXT else None
    except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _first_value(notes: Notes, keys: Sequence[str]) -> Any:
    return next((notes[key] for key in keys if key in notes), None)


def _noted_levels(notes: Notes) -> PreprocessKeys:
    """Mean and deviation of levels from 0 to 1, as these libraries have them, or from 0 to 255."""
    mean, deviation = (
        _parse_figures(_first_value(notes, keys)) for keys in (MEAN_KEYS, DEVIATION_KEYS)
    )
    if not mean or not deviation or min(deviation) <= 0:
        return {}
    scale = MAX_LEVEL if max(*mean, *deviation) <= 1 else 1.0
    return {
        "mean": [scale * level for level in mean],
        "norm": [1 / (scale * level) for level in deviation],
    }


def _noted_crop(notes: Notes, rows: int, columns: int) -> PreprocessKeys:
    """timm's: the middle of the picture, a share of it, for a square input."""
    share = parse_literal(notes.get("crop_pct"))
    if rows != columns or not isinstance(share, (int, float)) or not 0 < share <= 1:
        return {}
    resample = str(notes.get("interpolation", "bilinear"))
    if resample not in RESAMPLES:
        return {}
    resize = math.floor(rows / share)
    return {"fit": "crop", "resize": resize, "crop": rows, "resample": resample}


def _parse_figures(note: Any) -> list[float]:
    values = parse_literal(note)
    if not isinstance(values, (list, tuple)) or len(values) not in CHANNEL_ORDERS:
        return []
    is_number = all(type(value) in {int, float} and math.isfinite(value) for value in values)
    return [float(value) for value in values] if is_number else []
