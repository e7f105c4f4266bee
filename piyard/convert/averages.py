"""Global averages of ncnn's in two steps: of each row, then of these.

ncnn adds up all values of a channel one after another in fp32, so that an error grows with their
number; torch adds in parts. Of a flat picture of 112 x 112 values the two are 1e-4 apart, and
networks that weight channels by such averages (squeeze and excitation) may make much of it. By
rows first the sums are as short as the sides are long, and the mean is the same: all rows have
as many values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from piyard.convert.param import MASK_KEY, NO_FP16_ARITHMETIC, Layer

MANY_VALUES = 256
"""Sums of fewer are near enough as they are."""
AVERAGE, VALID_PADDING = 1, 1
"""Of ncnn's Pooling (src/layer/pooling.h): the kind, and windows that lie within the picture."""
KIND, GLOBAL, PADDING_MODE = 0, 4, 5
KERNEL_COLUMNS, KERNEL_ROWS, STEP_COLUMNS, STEP_ROWS = 1, 11, 2, 12
"""Keys of its settings."""
ADAPTIVE = 7


def split_averages(
    layers: Sequence[Layer], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[list[Layer], list[str]]:
    """The layers with such averages in two steps, and the names of those that were.

    ``shapes`` are those of the blobs, (channels, rows, columns).
    """
    split = {
        layer.name: _average_rows(layer, shapes[layer.bottoms[0]])
        for layer in layers
        if _is_global_average(layer) and _is_large(shapes[layer.bottoms[0]])
    }
    parts = [
        [split[layer.name], _average_again(layer, split[layer.name])]
        if layer.name in split
        else [layer]
        for layer in layers
    ]
    return [layer for pair in parts for layer in pair], list(split)


def _is_global_average(layer: Layer) -> bool:
    return (
        layer.type == "Pooling"
        and layer.number(KIND) == AVERAGE
        and bool(layer.number(GLOBAL))
        and not layer.number(ADAPTIVE)
    )


def _is_large(shape: Sequence[int]) -> bool:
    """Whether there are many values, in more than one row and column."""
    return len(shape) == len("chw") and min(shape[1:]) > 1 and shape[1] * shape[2] >= MANY_VALUES


def _average_rows(layer: Layer, shape: Sequence[int]) -> Layer:
    """Windows of a row each. In fp16 they would be summed in fp16, which a mask prevents."""
    columns = shape[2]
    settings = {
        KIND: AVERAGE,
        KERNEL_COLUMNS: columns,
        STEP_COLUMNS: columns,
        KERNEL_ROWS: 1,
        STEP_ROWS: 1,
        PADDING_MODE: VALID_PADDING,
        MASK_KEY: NO_FP16_ARITHMETIC,
    }
    name = f"{layer.name}_rows"
    return Layer(
        type=layer.type,
        name=name,
        bottoms=layer.bottoms,
        tops=[name],
        settings={str(key): str(value) for key, value in settings.items()},
    )


def _average_again(layer: Layer, rows: Layer) -> Layer:
    return msgspec.structs.replace(layer, bottoms=rows.tops)
