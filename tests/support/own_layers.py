"""What nnrun's own layers compute, in numpy, and weights for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from piyard.convert.language.panels import Blocks, LinearShape, LinearWeights

Floats = NDArray[np.floating[Any]]


def quantise(shape: LinearShape, matrix: Floats) -> Blocks:
    """To the nearest, by the largest magnitude of each block, or between its ends."""
    half = 1 << (shape.bits - 1)
    padded = np.pad(matrix, [(0, 0), (0, shape.depth - shape.inputs)])
    blocks = padded.reshape(shape.rows, shape.blocks, shape.block)
    if shape.affine:
        minima = blocks.min(2).astype(np.float16)
        scales = ((blocks.max(2) - minima) / (2 * half - 1)).astype(np.float16)
        steps = (blocks - minima[..., None]) / scales.astype(np.float32)[..., None]
        integers = np.clip(np.rint(steps), 0, 2 * half - 1) - half
    else:
        minima = None
        scales = (np.abs(blocks).max(2) / (half - 1)).astype(np.float16)
        integers = np.clip(np.rint(blocks / scales.astype(np.float32)[..., None]), -half, half - 1)
    rows = integers.reshape(shape.rows, shape.depth)[:, : shape.inputs]
    return Blocks(rows.astype(np.int8), scales, minima)


def dequantised(shape: LinearShape, blocks: Blocks) -> Floats:
    """The matrix that the integers stand for."""

    def spread(values: Floats) -> Floats:
        return np.repeat(values.astype(np.float32), shape.block, 1)[:, : shape.inputs]

    integers = blocks.integers.astype(np.float32)
    if blocks.minima is None:
        return integers * spread(blocks.scales)
    return (integers + (1 << (shape.bits - 1))) * spread(blocks.scales) + spread(blocks.minima)


def quantised_rows(x: Floats, block: int) -> Floats:
    """The inputs as the integer kernels see them: int8 by the largest magnitude of each block."""
    padded = np.pad(x.astype(np.float32), [(0, 0), (0, -x.shape[1] % block)])
    blocks = padded.reshape(len(x), -1, block)
    peak = np.abs(blocks).max(2, keepdims=True)
    factor = np.divide(np.float32(127), peak, out=np.zeros_like(peak), where=peak > 0)
    rows: Floats = np.rint(blocks * factor) * (peak / np.float32(127))
    return np.asarray(rows.reshape(len(x), -1)[:, : x.shape[1]])


def made_weights(shape: LinearShape, rng: np.random.Generator) -> LinearWeights:
    """Seeded, of the scale of a model's."""
    matrix = rng.normal(0, 0.05, (shape.rows, shape.inputs)).astype(np.float32)
    return LinearWeights(
        matrix=quantise(shape, matrix) if shape.quantised else matrix,
        norm_weight=rng.normal(1, 0.2, shape.inputs).astype(np.float32),
        norm_shift=rng.normal(0, 0.2, shape.inputs).astype(np.float32),
        bias=rng.normal(0, 0.2, shape.rows).astype(np.float32),
    )


def matrix_of(shape: LinearShape, weights: LinearWeights) -> Floats:
    """As floats."""
    if isinstance(weights.matrix, Blocks):
        return dequantised(shape, weights.matrix)
    return weights.matrix.astype(np.float16 if shape.bits == 16 else np.float32)


def _normalised(shape: LinearShape, weights: LinearWeights, x: Floats) -> Floats:
    if shape.norm == "none":
        return x
    centred = x - x.mean(1, keepdims=True) if shape.norm == "layer" else x
    normal = centred / np.sqrt((centred**2).mean(1, keepdims=True) + shape.eps)
    shift = weights.norm_shift if shape.norm == "layer" else 0
    return np.asarray(normal * weights.norm_weight + shift)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "none": lambda x: x,
    "gelu": lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))),
    "quick_gelu": lambda x: x * sigmoid(1.702 * x),
    "tanh_gelu": lambda x: x * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * sigmoid(x),
}


def linear(
    shape: LinearShape, weights: LinearWeights, x: Floats, residual: Floats | None = None
) -> Floats:
    """What a LinearQ makes of rows ``[rows, inputs]``; inputs rounded where it rounds them."""
    rows = _normalised(shape, weights, x.astype(np.float64))
    if shape.quantised:
        rows = quantised_rows(rows, shape.block).astype(np.float64)
    y = rows @ matrix_of(shape, weights).astype(np.float64).T
    if shape.bias:
        y = y + weights.bias
    if shape.gate:
        gate, up = np.split(y, 2, axis=1)
        y = ACTIVATIONS["silu"](gate) * up
    y = ACTIVATIONS[shape.activation](y)
    return np.asarray(y if residual is None else y + residual)


@dataclass(frozen=True, kw_only=True)
class AttentionShape:
    """The parameters of an Attention."""

    heads: int
    kv_heads: int
    size: int
    scale: float
    rotary: int = 0
    qk_norm: bool = False
    eps: float = 1e-6
    causal: bool = True

    @property
    def inputs(self) -> int:
        """In a row: queries, keys, values."""
        return (self.heads + 2 * self.kv_heads) * self.size

    @property
    def params(self) -> str:
        """As a line of a .param ends."""
        flags = f"5={int(self.qk_norm)} 6={self.eps:e} 7={int(self.causal)}"
        sizes = f"0={self.heads} 1={self.kv_heads} 2={self.size}"
        return f"{sizes} 3={self.scale:e} 4={self.rotary} {flags}"


def _turned(x: Floats, frequencies: Floats) -> NDArray[np.float64]:
    """``[rows, heads, size]`` by their row number, Hugging Face's half-split."""
    half = len(frequencies)
    angles = np.arange(len(x))[:, None] * frequencies[None]
    cosines, sines = np.cos(angles)[:, None], np.sin(angles)[:, None]
    low, high, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    turned = [low * cosines - high * sines, high * cosines + low * sines, rest]
    return np.concatenate(turned, axis=2).astype(np.float64)


def attention(
    shape: AttentionShape,
    qkv: Floats,
    frequencies: Floats | None = None,
    norms: tuple[Floats, Floats] | None = None,
) -> Floats:
    """What an Attention makes of rows ``[rows, inputs]``, in float64."""
    rows = qkv.astype(np.float64).reshape(len(qkv), -1, shape.size)
    q, k, v = np.split(rows, [shape.heads, shape.heads + shape.kv_heads], axis=1)
    if norms is not None:
        q, k = (
            x / np.sqrt((x**2).mean(2, keepdims=True) + shape.eps) * norm
            for x, norm in zip((q, k), norms, strict=True)
        )
    if frequencies is not None:
        q, k = _turned(q, frequencies), _turned(k, frequencies)
    k, v = (np.repeat(x, shape.heads // shape.kv_heads, axis=1) for x in (k, v))
    scores: Floats = np.einsum("ihd,jhd->hij", q, k) * shape.scale
    if shape.causal:
        scores = np.where(np.tri(len(qkv), dtype=bool)[None], scores, -np.inf)
    powers = np.exp(scores - scores.max(2, keepdims=True))
    weights = powers / powers.sum(2, keepdims=True)
    return np.asarray(np.einsum("hij,jhd->ihd", weights, v).reshape(len(qkv), -1))
