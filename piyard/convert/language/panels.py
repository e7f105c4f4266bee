"""The weights of nnrun's own layers as their kernels read them.

One part of a ``.bin`` is a section: four bytes of mark, then arrays, each padded with zeros to 64
bytes from the file's start. nnrun maps the file and computes from it where it lies, so the order of
the values is that of the kernels (runner/src/kernels/section.h and linear_shape.h).

A matrix lies in panels of eight rows. Of floats, a panel holds for each input eight values side by
side. Of integers it holds for each four inputs ``[8 rows][4 inputs]`` bytes; 4-bit ones put the
next four inputs into the high halves of the same bytes, 6-bit ones put the high four bits of
sixteen inputs into two such groups and the low two bits of all four into a third. Scales (and
minima) are fp16, eight for each block of a panel. A row that is missing in the last panel, and an
input that is missing in the last block, is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from piyard.core.errors import ConversionFailed

Floats = NDArray[np.floating[Any]]
Array = NDArray[Any]

ALIGNMENT = 64
MARK = b"nnq1"
COLUMNS = 8
BITS = (4, 6, 8, 16, 32)
BLOCKS = (32, 64, 128)
NORMS = ("none", "rms", "layer")
ACTIVATIONS = ("none", "gelu", "quick_gelu", "tanh_gelu", "silu")


@dataclass(frozen=True, kw_only=True)
class LinearShape:
    """The parameters of a LinearQ: what it takes, makes and how its weights are stored."""

    outputs: int
    inputs: int
    bits: int = 32
    block: int = 0
    bias: bool = False
    affine: bool = False
    norm: str = "none"
    eps: float = 0.0
    gate: bool = False
    activation: str = "none"

    def __post_init__(self) -> None:
        """Refuses what nnrun would."""
        problem = self._problem()
        if problem:
            raise ConversionFailed(
                f"a LinearQ of {self.outputs} outputs, {self.inputs} inputs: {problem}"
            )

    def _problem(self) -> str:
        if min(self.outputs, self.inputs) < 1:
            return "there must be at least one of each"
        if self.bits not in BITS:
            return f"{self.bits} bits, not one of {', '.join(map(str, BITS))}"
        if self.quantised != (self.block in BLOCKS):
            return f"blocks of {self.block}; integers have 32, 64 or 128, floats have 0"
        if self.affine and not self.quantised:
            return "floats have no minima"
        if self.gate and self.activation != "none":
            return "a gate has its own activation"
        return ""

    @property
    def quantised(self) -> bool:
        """Whether the weights are integers."""
        return self.bits < 16

    @property
    def rows(self) -> int:
        """Of the matrix: with a gate, its rows and then those of the other half."""
        return self.outputs * (2 if self.gate else 1)

    @property
    def blocks(self) -> int:
        """In a row; 0 of floats."""
        return -(-self.inputs // self.block) if self.quantised else 0

    @property
    def depth(self) -> int:
        """Inputs as they are stored: whole blocks."""
        return self.blocks * self.block if self.quantised else self.inputs

    @property
    def panels(self) -> int:
        """Of eight rows each; a gate's and the other half's alternate."""
        return -(-self.outputs // COLUMNS) * (2 if self.gate else 1)

    @property
    def params(self) -> str:
        """As a line of a ``.param`` ends."""
        values = {
            0: self.outputs,
            1: self.inputs,
            2: self.bits,
            3: self.block,
            4: int(self.bias),
            5: int(self.affine),
            6: NORMS.index(self.norm),
            7: f"{self.eps:e}",
            8: int(self.gate),
            9: ACTIVATIONS.index(self.activation),
        }
        return " ".join(f"{key}={value}" for key, value in values.items())


@dataclass(frozen=True)
class Blocks:
    """A quantised matrix.

    A weight is ``scale * integer``, or with minima ``scale * (integer + half) + minimum``. ``half``
    is 8, 32 or 128 for 4, 6 or 8 bits: integers are signed here, and those of a matrix with minima
    count from 0 where it comes from.
    """

    integers: NDArray[np.int8]
    """``[rows, inputs]``"""
    scales: NDArray[np.float16]
    """``[rows, blocks]``"""
    minima: NDArray[np.float16] | None = None
    """``[rows, blocks]``"""


@dataclass(frozen=True, kw_only=True)
class LinearWeights:
    """What a LinearQ's section holds."""

    matrix: Floats | Blocks
    """``[rows, inputs]``"""
    norm_weight: Floats | None = None
    norm_shift: Floats | None = None
    bias: Floats | None = None
    """``[rows]``"""


def section(parts: Sequence[Array], offset: int) -> bytes:
    """The section that holds these arrays, for a ``.bin`` that has ``offset`` bytes before it."""
    data = bytearray(MARK)
    for part in parts:
        data += b"\0" * (-(offset + len(data)) % ALIGNMENT)
        data += np.ascontiguousarray(part).data.cast("B") if part.size else b""
    data += b"\0" * (-(offset + len(data)) % ALIGNMENT)
    return bytes(data)


def linear_section(shape: LinearShape, weights: LinearWeights, offset: int) -> bytes:
    """A LinearQ's section; what does not fit the shape is refused."""
    parts = [_vector(weights.norm_weight, shape.inputs)] if shape.norm != "none" else []
    parts += [_vector(weights.norm_shift, shape.inputs)] if shape.norm == "layer" else []
    parts += _matrix_parts(shape, weights.matrix)
    parts += [_vector(weights.bias, shape.rows)] if shape.bias else []
    return section(parts, offset)


def attention_section(
    offset: int,
    frequencies: Floats | None = None,
    query_norm: Floats | None = None,
    key_norm: Floats | None = None,
) -> bytes:
    """An Attention's section: inverse rotary frequencies, norms of queries and keys."""
    parts = (frequencies, query_norm, key_norm)
    return section([part.astype("<f4") for part in parts if part is not None], offset)


def _vector(values: Floats | None, count: int) -> Array:
    if values is None or values.shape != (count,):
        raise ConversionFailed(f"a LinearQ needs {count} values and got {_shape_of(values)}")
    return values.astype("<f4")


def _shape_of(values: Array | None) -> str:
    return "none" if values is None else ",".join(map(str, values.shape))


def _matrix_parts(shape: LinearShape, matrix: Floats | Blocks) -> list[Array]:
    if isinstance(matrix, Blocks) != shape.quantised:
        raise ConversionFailed(f"a LinearQ of {shape.bits} bits got the weights of another format")
    if isinstance(matrix, Blocks):
        return [
            pack_integers(shape, matrix.integers),
            _pack_scales(shape, matrix.scales),
            *([_pack_scales(shape, matrix.minima)] if shape.affine else []),
        ]
    rows = _in_panels(shape, matrix.astype("<f4" if shape.bits == 32 else "<f2"))
    return [np.ascontiguousarray(rows.transpose(0, 2, 1))]


def _in_panels(shape: LinearShape, rows: Array) -> Array:
    """``[rows, n]`` -> ``[panels, 8, n]``, a gate's panels and the other half's in turns."""
    if len(rows) != shape.rows:
        raise ConversionFailed(f"a LinearQ of {shape.rows} rows got {_shape_of(rows)}")
    halves = rows.reshape(2 if shape.gate else 1, shape.outputs, -1)
    halves = np.pad(halves, [(0, 0), (0, -shape.outputs % COLUMNS), (0, 0)])
    panels = halves.reshape(len(halves), -1, COLUMNS, halves.shape[2])
    in_turns: Array = panels.swapaxes(0, 1).reshape(-1, COLUMNS, halves.shape[2])
    return in_turns


def _from_panels(shape: LinearShape, panels: Array) -> Array:
    """The other way."""
    halves = panels.reshape(-1, 2 if shape.gate else 1, COLUMNS, panels.shape[2]).swapaxes(0, 1)
    rows: Array = halves.reshape(len(halves), -1, panels.shape[2])[:, : shape.outputs]
    whole: Array = rows.reshape(shape.rows, -1)
    return whole


def _pack_scales(shape: LinearShape, scales: NDArray[np.float16] | None) -> Array:
    if scales is None or scales.shape != (shape.rows, shape.blocks):
        expected_size = f"{shape.rows},{shape.blocks}"
        raise ConversionFailed(
            f"a LinearQ needs scales of {expected_size} and got {_shape_of(scales)}"
        )
    return np.ascontiguousarray(_in_panels(shape, scales.astype("<f2")).transpose(0, 2, 1))


def pack_integers(shape: LinearShape, integers: NDArray[np.int8]) -> Array:
    """``[rows, inputs]`` signed integers of the shape's bits, as panels of bytes."""
    missing = shape.depth - integers.shape[1]
    if not 0 <= missing < shape.block:
        raise ConversionFailed(
            f"a LinearQ of {shape.inputs} inputs got rows of {integers.shape[1]}"
        )
    panels = _in_panels(shape, np.pad(integers, [(0, 0), (0, missing)]).view(np.uint8))
    groups = panels.reshape(len(panels), COLUMNS, -1, 4)
    packed = {4: _nibbles, 6: _sixes, 8: _bytes}[shape.bits](groups)
    # Four inputs of a row move together.
    words = np.ascontiguousarray(packed).view("<u4")[..., 0]
    return np.ascontiguousarray(words.transpose(0, 2, 1))


def _bytes(groups: Array) -> Array:
    return groups


def _nibbles(groups: Array) -> Array:
    return (groups[:, :, 0::2] & 0x0F) | (groups[:, :, 1::2] << 4)


def _sixes(groups: Array) -> Array:
    """Of four groups: the high bits of two, those of the other two, the low bits of all."""
    high = (groups >> 2) & 0x0F
    low = groups & 3
    first = high[:, :, 0::4] | (high[:, :, 1::4] << 4)
    second = high[:, :, 2::4] | (high[:, :, 3::4] << 4)
    ends = low[:, :, 0::4]
    for place in (1, 2, 3):
        ends = ends | (low[:, :, place::4] << (2 * place))
    return np.stack([first, second, ends], axis=3).reshape(*groups.shape[:2], -1, 4)


def unpack_integers(shape: LinearShape, packed: bytes | Array) -> NDArray[np.int8]:
    """``[rows, inputs]`` of what :func:`pack_integers` made."""
    words = np.frombuffer(packed, "<u4").reshape(shape.panels, -1, COLUMNS)
    parts = np.ascontiguousarray(words.transpose(0, 2, 1))[..., None].view(np.uint8)
    groups = {4: _of_nibbles, 6: _of_sixes, 8: _bytes}[shape.bits](parts)
    panels = groups.reshape(shape.panels, COLUMNS, shape.depth)
    return _from_panels(shape, panels).view(np.int8)[:, : shape.inputs]


def _of_nibbles(parts: Array) -> Array:
    both = np.stack([parts << 4, parts & 0xF0], axis=3).view(np.int8) >> 4
    return both.reshape(*parts.shape[:2], -1, 4).view(np.uint8)


def _of_sixes(parts: Array) -> Array:
    first, second, ends = parts[:, :, 0::3], parts[:, :, 1::3], parts[:, :, 2::3]
    high = [first << 4, first & 0xF0, second << 4, second & 0xF0]
    low = [(ends >> (2 * place) & 3) << 2 for place in range(4)]
    whole = [top | bottom for top, bottom in zip(high, low, strict=True)]
    groups = np.stack(whole, axis=3).view(np.int8) >> 2
    return groups.reshape(*parts.shape[:2], -1, 4).view(np.uint8)
