"""Whether a net with masked layers still takes less than fp32, by a rough count of instructions.

A masked layer takes what it takes in fp32; the others take half of that, and each blob that passes
between the two is cast. A count and no time: trials on a board are too short to be timed, and an
emulated board's times mean nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod

from piyard.boardproof.closer import Closer
from piyard.conversion import size
from piyard.conversion.param import Layer

SAVED_A_MAC = 1 / 4 - 1 / 8
"""Instructions: four of fp32's multiply at once, eight of fp16's."""
SAVED_A_VALUE = 1 / 4
"""Of a layer that works value by value: load, compute and store, four or eight at once."""
CAST_A_VALUE = 1.0
"""Between fp32 by fours and fp16 by eights: load, convert, store, and the order of channels.
Counted on an emulated Cortex-A76, 0.9 to 1.1."""
MOVES_NOTHING = {"Input", "Split", "Reshape", "Flatten", "Noop", "MemoryData", "Dropout"}


def is_slower(closer: Closer, masked: Collection[str]) -> bool:
    """Whether the net is slower than in fp32 when these layers, or types of layers, are masked."""
    in_fp32 = {
        layer.name for layer in closer.working if layer.name in masked or layer.type in masked
    }
    names = [name for layer in closer.layers if layer.type == "Input" for name in layer.tops]
    shapes = {name: blob.shape for name, blob in closer.blobs.items()}
    shapes |= {name: layer.shape for name, layer in zip(names, closer.inputs, strict=True)}
    fp16 = [layer for layer in closer.working if layer.name not in in_fp32]
    saved = sum(_saved(layer, shapes) for layer in fp16)
    return CAST_A_VALUE * _cast(closer.working, in_fp32, shapes) > saved


def _saved(layer: Layer, shapes: dict[str, size.Shape]) -> float:
    if layer.type in MOVES_NOTHING:
        return 0.0
    count = sum(prod(shapes[name]) for name in layer.tops)
    return SAVED_A_MAC * size.macs(layer, shapes) + SAVED_A_VALUE * count


def _cast(working: Sequence[Layer], in_fp32: Collection[str], shapes: dict[str, size.Shape]) -> int:
    """Values that are cast: once a reader, as ncnn does it."""
    is_fp32 = {name: layer.name in in_fp32 for layer in working for name in layer.tops}
    pairs = ((layer, name) for layer in working for name in layer.bottoms if name in is_fp32)
    return sum(
        prod(shapes[name]) for layer, name in pairs if is_fp32[name] != (layer.name in in_fp32)
    )
