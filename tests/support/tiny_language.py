"""A tiny random decoder: nnrun's files for it, and in numpy what it computes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from piyard.convert.language.panels import (
    LinearShape,
    LinearWeights,
    attention_section,
    linear_section,
)
from tests.support.own_layers import AttentionShape, attention, linear, matrix_of

Floats = NDArray[np.floating[Any]]

EPS = 1e-5


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Its shape; the weights follow from the seed."""

    vocabulary: int = 96
    width: int = 32
    heads: int = 4
    kv_heads: int = 2
    head_size: int = 8
    inner: int = 48
    layers: int = 2
    bits: int = 32
    tied: bool = True
    seed: int = 3
    spread: float = 0.3
    _linear: dict[str, tuple[LinearShape, LinearWeights]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Draws the weights, in the order in which they lie in the file."""
        rng = np.random.default_rng(self.seed)
        for name, shape in self._shapes().items():
            matrix = rng.normal(0, self.spread, (shape.rows, shape.inputs)).astype("f4")
            norm = rng.normal(1, 0.1, shape.inputs).astype("f4")
            self._linear[name] = shape, LinearWeights(matrix=matrix, norm_weight=norm)

    @property
    def attention_shape(self) -> AttentionShape:
        """Of every layer."""
        return AttentionShape(
            heads=self.heads,
            kv_heads=self.kv_heads,
            size=self.head_size,
            scale=self.head_size**-0.5,
            rotary=self.head_size,
        )

    @property
    def frequencies(self) -> Floats:
        """Of the rotary embedding."""
        half = self.head_size // 2
        return (10000.0 ** (-np.arange(half) / half)).astype("f4")

    def _shapes(self) -> dict[str, LinearShape]:
        def shape(outputs: int, inputs: int, **more: Any) -> LinearShape:
            return LinearShape(outputs=outputs, inputs=inputs, bits=self.bits, eps=EPS, **more)

        shapes = {}
        if not self.tied:
            shapes["embed_tokens"] = shape(self.vocabulary, self.width)
        for i in range(self.layers):
            shapes |= {
                f"qkv{i}": shape(self.attention_shape.inputs, self.width, norm="rms"),
                f"o{i}": shape(self.width, self.heads * self.head_size),
                f"gate{i}": shape(self.inner, self.width, norm="rms", gate=True),
                f"down{i}": shape(self.width, self.inner),
            }
        shapes["lm_head"] = shape(self.vocabulary, self.width, norm="rms")
        return shapes

    def param(self) -> str:
        """The text of the ``.param``."""
        lines = ["Input in0 0 1 in0"]
        if not self.tied:
            lines += ["Input ids 0 1 ids", self._line("embed_tokens", "ids", "embeddings")]
        blob = "in0"
        for i in range(self.layers):
            mid, end = f"mid{i}", f"end{i}" if i + 1 < self.layers else "hidden"
            lines += [
                f"Split splitA{i} 1 2 {blob} {blob}_a {blob}_b",
                self._line(f"qkv{i}", f"{blob}_a", f"qkv{i}"),
                f"Attention attention{i} 1 1 qkv{i} heads{i} {self.attention_shape.params}",
                self._line(f"o{i}", f"heads{i} {blob}_b", mid),
                f"Split splitB{i} 1 2 {mid} {mid}_a {mid}_b",
                self._line(f"gate{i}", f"{mid}_a", f"gate{i}"),
                self._line(f"down{i}", f"gate{i} {mid}_b", end),
            ]
            blob = end
        lines.append(self._line("lm_head", "hidden", "logits"))
        blobs = sum(int(line.split()[3]) for line in lines)
        return "\n".join(["7767517", f"{len(lines)} {blobs}", *lines]) + "\n"

    def _line(self, name: str, bottoms: str, top: str) -> str:
        count = len(bottoms.split())
        return f"LinearQ {name} {count} 1 {bottoms} {top} {self._linear[name][0].params}"

    def weights(self) -> bytes:
        """The bytes of the ``.bin``: a section for each line that has one."""
        data = b""
        for line in self.param().splitlines()[2:]:
            kind, name = line.split()[:2]
            if kind == "Attention":
                data += attention_section(len(data), self.frequencies)
            elif kind == "LinearQ":
                data += linear_section(*self._linear[name], len(data))
        return data

    def write(self, folder: Path) -> list[str]:
        """Both files, as the flags that name them."""
        (folder / "net.param").write_text(self.param())
        (folder / "net.bin").write_bytes(self.weights())
        return ["--param", str(folder / "net.param"), "--bin", str(folder / "net.bin")]

    def _apply(self, name: str, x: Floats, residual: Floats | None = None) -> Floats:
        return linear(*self._linear[name], x, residual)

    def logits(self, tokens: list[int] | NDArray[np.integer[Any]]) -> Floats:
        """``[tokens, vocabulary]``, the whole sequence at once, in float64."""
        x: Floats = matrix_of(*self._linear["lm_head" if self.tied else "embed_tokens"])
        x = x[np.asarray(tokens)].astype(np.float64)
        for i in range(self.layers):
            heads = attention(self.attention_shape, self._apply(f"qkv{i}", x), self.frequencies)
            x = self._apply(f"o{i}", heads, x)
            x = self._apply(f"down{i}", self._apply(f"gate{i}", x), x)
        return self._apply("lm_head", x)

    def greedy(self, prompt: list[int], count: int) -> list[int]:
        """The likeliest continuation."""
        tokens = list(prompt)
        for _ in range(count):
            tokens.append(int(self.logits(tokens)[-1].argmax()))
        return tokens[len(prompt) :]


def log_probabilities(logits: Floats) -> Floats:
    """log(softmax) of each row."""
    shifted = logits - logits.max(1, keepdims=True)
    values: Floats = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return values


def other_seed(decoder: Decoder) -> Decoder:
    """The same shape with other weights."""
    return replace(decoder, seed=decoder.seed + 1, _linear={})
