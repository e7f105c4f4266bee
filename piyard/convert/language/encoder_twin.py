"""What nnrun makes of a net of its own layers, in numpy: the proof on this machine.

It reads the files that boards get, weights unpacked from their panels, and computes as nnrun does
in fp16: matrices rounded to halves, sums and what goes between its own layers in fp32. What enters
a matrix of integers is rounded as nnrun rounds it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from piyard.convert.language.encoders import FUSED_ENDINGS, HALF_TAG
from piyard.convert.language.panels import (
    ALIGNMENT,
    COLUMNS,
    MARK,
    LinearShape,
    unpack_integers,
)
from piyard.convert.param import Layer, read_param
from piyard.core.errors import ConversionFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from piyard.vision.schema import Floats

    Apply = Callable[..., Floats]


class _Weights:
    """The .bin, read in the order of the layers."""

    def __init__(self, file: Path) -> None:
        self._bytes, self._at, self._name = file.read_bytes(), 0, file.name

    def floats(self, count: int, kind: str = "<f4") -> NDArray[Any]:
        """So many numbers where the last ones end."""
        size = count * np.dtype(kind).itemsize
        if self._at + size > len(self._bytes):
            raise ConversionFailed(f"{self._name} ends too early")
        values = np.frombuffer(self._bytes, kind, count, self._at)
        self._at += size + -size % 4
        return values.astype(np.float32)

    def tagged(self, count: int) -> NDArray[Any]:
        """ncnn's weights, whose tag says how they are stored."""
        tag = self._bytes[self._at : self._at + 4]
        self._at += 4
        return self.floats(count, "<f2" if tag == HALF_TAG else "<f4")

    def section(self) -> None:
        """Where a layer of nnrun's begins."""
        if self._bytes[self._at : self._at + 4] != MARK:
            raise ConversionFailed(f"{self._name} has no section where a layer's begins")
        self._at += 4
        self.align()

    def align(self) -> None:
        """Parts of a section begin at multiples of 64."""
        self._at += -self._at % ALIGNMENT

    def part(self, count: int, kind: str = "<f4") -> NDArray[Any]:
        """A part of a section."""
        values = self.floats(count, kind)
        self.align()
        return values

    def bytes(self, count: int) -> bytes:
        """So many bytes of a section."""
        part = self._bytes[self._at : self._at + count]
        if len(part) < count:
            raise ConversionFailed(f"{self._name} ends too early")
        self._at += count
        self.align()
        return part

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._bytes):
            raise ConversionFailed(f"{self._name} has {len(self._bytes) - self._at} bytes too many")


def load_twin(folder: Path, stem: str) -> Callable[..., dict[str, Floats]]:
    """The fused net of that stem as a function of its first input, by output.

    Raises ``ConversionFailed`` for files that do not belong together.
    """
    layers = read_param(folder / f"{stem}.{FUSED_ENDINGS[0]}")
    weights = _Weights(folder / f"{stem}.{FUSED_ENDINGS[1]}")
    steps = [(layer, _READERS[layer.type](layer, weights)) for layer in layers]
    weights.end()

    def run(first: Floats, *_: Floats) -> dict[str, Floats]:
        blobs = {"in0": np.asarray(first, np.float32)}
        for layer, apply in steps:
            if layer.type != "Input":
                result = apply(*(blobs.pop(name) for name in layer.bottoms))
                blobs |= dict.fromkeys(layer.tops, result)
        return {"out0": blobs["out0"]}

    return run


def _same(_layer: Layer, _weights: _Weights) -> Apply:
    return lambda x: x


def _convolution(layer: Layer, weights: _Weights) -> Apply:
    outputs, side = layer.number(0), layer.number(1)
    matrix = weights.tagged(layer.number(6)).reshape(outputs, -1)
    bias = weights.floats(outputs) if layer.number(5) else np.zeros(outputs, np.float32)

    def apply(x: Floats) -> Floats:
        channels, rows, columns = x.shape
        down, across = rows // side, columns // side
        cut = x.reshape(channels, down, side, across, side).transpose(1, 3, 0, 2, 4)
        result: Floats = cut.reshape(down * across, -1) @ matrix.T + bias
        maps: Floats = result.T.reshape(outputs, down, across)
        return maps

    return apply


def _reshape(layer: Layer, _weights: _Weights) -> Apply:
    if layer.number(0) == -1:
        return lambda x: x.ravel()
    sides = [layer.number(key) for key in (2, 11, 1, 0)]
    return lambda x: x.reshape([side for side in sides if side])


def _permute(layer: Layer, _weights: _Weights) -> Apply:
    """Both axes of rows, or of four axes the two between the others."""
    if layer.number(0) == 1:
        return lambda x: np.ascontiguousarray(x.T)
    return lambda x: np.ascontiguousarray(x.transpose(0, 2, 1, 3))


def _padding(_layer: Layer, _weights: _Weights) -> Apply:
    return lambda x: np.pad(x, [(1, 0), (0, 0)])


def _memory_data(layer: Layer, weights: _Weights) -> Apply:
    values = weights.floats(layer.number(0) * layer.number(1))
    return lambda: values.reshape(layer.number(1), layer.number(0))


def _binary_op(_layer: Layer, _weights: _Weights) -> Apply:
    return lambda x, y: x + y


def _crop(_layer: Layer, _weights: _Weights) -> Apply:
    return lambda x: x[:1]


def _layer_norm(layer: Layer, weights: _Weights) -> Apply:
    width, eps = layer.number(0), float(layer.settings["1"])
    gamma, beta = weights.floats(width), weights.floats(width)
    return lambda x: _normalise(x, gamma, beta, eps)


def _normalise(x: Floats, gamma: Floats, beta: Floats, eps: float) -> Floats:
    centred = x - x.mean(1, keepdims=True)
    normal: Floats = centred / np.sqrt((centred**2).mean(1, keepdims=True) + np.float32(eps))
    return normal * gamma + beta


def _linear(layer: Layer, weights: _Weights) -> Apply:
    outputs, inputs, bits, block = (layer.number(key) for key in (0, 1, 2, 3))
    shape = LinearShape(outputs=outputs, inputs=inputs, bits=bits, block=block)
    weights.section()
    normed = layer.number(6) == 2
    norm = [weights.part(inputs) for _ in range(2)] if normed else []
    eps = float(layer.settings["7"])
    matrix = (_integer_matrix if shape.quantised else _float_matrix)(shape, weights)
    bias = weights.part(outputs) if layer.number(4) else np.zeros(outputs, np.float32)
    activate = ACTIVATIONS[layer.number(9)]

    def apply(x: Floats, beside: Floats | None = None) -> Floats:
        rows = _normalise(x, norm[0], norm[1], eps) if norm else x
        rows = _round_rows(rows, block) if shape.quantised else rows
        result: Floats = activate(rows @ matrix.T + bias)
        return result if beside is None else result + beside

    return apply


def _float_matrix(shape: LinearShape, weights: _Weights) -> Floats:
    size = shape.panels * shape.inputs * COLUMNS
    packed = weights.part(size, "<f2" if shape.bits == 16 else "<f4")
    return _from_panels(packed.reshape(shape.panels, shape.inputs, COLUMNS))[: shape.outputs]


def _integer_matrix(shape: LinearShape, weights: _Weights) -> Floats:
    integers = unpack_integers(shape, weights.bytes(shape.panels * shape.depth * COLUMNS))
    scales = weights.part(shape.panels * shape.blocks * COLUMNS, "<f2")
    by_row = _from_panels(scales.reshape(shape.panels, shape.blocks, COLUMNS))[: shape.outputs]
    spread = np.repeat(by_row, shape.block, axis=1)[:, : shape.inputs]
    matrix: Floats = integers.astype(np.float32) * spread
    return matrix


def _from_panels(panels: Floats) -> Floats:
    """(panels, columns, 8) → a row each."""
    rows: Floats = panels.transpose(0, 2, 1).reshape(-1, panels.shape[1])
    return rows


def _round_rows(rows: Floats, block: int) -> Floats:
    """To int8, a scale a block of inputs: ``twin.round_rows``."""
    width = rows.shape[1]
    blocks = np.pad(rows, [(0, 0), (0, -width % block)]).reshape(len(rows), -1, block)
    peaks = np.abs(blocks).max(2, keepdims=True)
    steps = np.divide(127, peaks, out=np.zeros_like(peaks), where=peaks > 0)
    rounded: Floats = np.round(blocks * steps) * (peaks / np.float32(127))
    return rounded.reshape(len(rows), -1)[:, :width]


def _attention(layer: Layer, weights: _Weights) -> Apply:
    weights.section()
    heads, size = layer.number(0), layer.number(2)
    scale, causal = np.float32(float(layer.settings["3"])), bool(layer.number(7))

    def apply(qkv: Floats) -> Floats:
        count = len(qkv)
        q, k, v = qkv.reshape(count, 3, heads, size).transpose(1, 2, 0, 3)
        scores = q @ k.transpose(0, 2, 1) * scale
        if causal:
            scores = np.where(np.tri(count, dtype=bool), scores, -np.inf)
        powers = np.exp(scores - scores.max(2, keepdims=True))
        seen: Floats = powers / powers.sum(2, keepdims=True) @ v
        return np.ascontiguousarray(seen.transpose(1, 0, 2)).reshape(count, -1)

    return apply


def _erf(x: Floats) -> Floats:
    from scipy.special import erf

    values: Floats = erf(x)
    return values


ACTIVATIONS: dict[int, Callable[[Floats], Floats]] = {
    0: lambda x: x,
    1: lambda x: x * 0.5 * (1 + _erf(x / np.sqrt(np.float32(2)))),
    2: lambda x: x / (1 + np.exp(np.float32(-1.702) * x)),
    3: lambda x: x * 0.5 * (1 + np.tanh(np.float32(0.79788456) * (x + 0.044715 * x**3))),
}
"""LinearQ's numbers of GELU's forms."""

_READERS: dict[str, Callable[[Layer, _Weights], Apply]] = {
    "Input": _same,
    "Split": _same,
    "Convolution": _convolution,
    "Reshape": _reshape,
    "Permute": _permute,
    "Padding": _padding,
    "MemoryData": _memory_data,
    "BinaryOp": _binary_op,
    "Crop": _crop,
    "LayerNorm": _layer_norm,
    "LinearQ": _linear,
    "Attention": _attention,
}
