"""GGUF files of well-known shapes with seeded weights, for models whose files are not at hand.

The format is that of llama.cpp's docs/gguf.md in version 3: a header, metadata, the tensors' names
and places, then their data, each at a multiple of ``ALIGNMENT`` bytes. Weights are fp16, norms and
biases fp32, as convert_hf_to_gguf.py writes them; llama-quantize makes the rest of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from piyard.core import paths
from piyard.core.files import atomic_write

ALIGNMENT = 32
VERSION = 3
F32, F16 = 0, 1
"""Types of tensors."""
UINT32, FLOAT32, STRING = 4, 6, 8
"""Types of metadata."""
SPREAD = 0.02
"""The deviation of the weights: transformers' ``initializer_range``."""
CONTEXT_LENGTH = 4096

Value = int | float | str
Sizes = dict[str, tuple[int, tuple[int, ...]]]
"""Name → type, and dimensions from the outermost."""


@dataclass(frozen=True)
class Shape:
    """A decoder with tied embeddings; the names of its parts are GGUF's."""

    title: str
    architecture: str
    vocabulary: int
    width: int
    feed_forward: int
    blocks: int
    heads: int
    kv_heads: int
    head: int
    """Values of a head."""
    rope_base: float
    epsilon: float = 1e-6
    bias: bool = False
    """Of q, k and v."""
    normed_heads: bool = False
    """Whether q and k have a norm of their own."""

    @property
    def head_weights(self) -> int:
        """Of the output layer, which are the embeddings too."""
        return self.vocabulary * self.width

    @property
    def block_weights(self) -> int:
        """Of all blocks together."""
        return sum(rows * columns for _, (rows, columns) in self.matrices()) - self.head_weights

    @property
    def parameters(self) -> int:
        """Norms and biases included."""
        return self.head_weights + self.block_weights + sum(size for _, size in self.vectors())

    def matrices(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Name → outputs and inputs, in the order of the file."""
        yield "token_embd.weight", (self.vocabulary, self.width)
        for block in range(self.blocks):
            for name, size in self._block_matrices().items():
                yield f"blk.{block}.{name}.weight", size

    def _block_matrices(self) -> dict[str, tuple[int, int]]:
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        return {
            "attn_q": (queries, self.width),
            "attn_k": (keys, self.width),
            "attn_v": (keys, self.width),
            "attn_output": (self.width, queries),
            "ffn_gate": (self.feed_forward, self.width),
            "ffn_up": (self.feed_forward, self.width),
            "ffn_down": (self.width, self.feed_forward),
        }

    def vectors(self) -> Iterator[tuple[str, int]]:
        """Norms and biases, by name and length."""
        yield "output_norm.weight", self.width
        for block in range(self.blocks):
            for name, size in self._block_vectors().items():
                yield f"blk.{block}.{name}", size

    def _block_vectors(self) -> dict[str, int]:
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        norms = {"attn_norm.weight": self.width, "ffn_norm.weight": self.width}
        biases = {"attn_q.bias": queries, "attn_k.bias": keys, "attn_v.bias": keys}
        heads = {"attn_q_norm.weight": self.head, "attn_k_norm.weight": self.head}
        return norms | (biases if self.bias else {}) | (heads if self.normed_heads else {})

    def metadata(self) -> dict[str, Value]:
        """What llama.cpp needs to know; there is no tokenizer, only a number of tokens."""
        own: dict[str, Value] = {
            "vocab_size": self.vocabulary,
            "context_length": CONTEXT_LENGTH,
            "embedding_length": self.width,
            "block_count": self.blocks,
            "feed_forward_length": self.feed_forward,
            "attention.head_count": self.heads,
            "attention.head_count_kv": self.kv_heads,
            "attention.key_length": self.head,
            "attention.value_length": self.head,
            "attention.layer_norm_rms_epsilon": self.epsilon,
            "rope.dimension_count": self.head,
            "rope.freq_base": self.rope_base,
        }
        return {
            "general.architecture": self.architecture,
            "general.name": f"{self.title}, seeded weights",
            "general.file_type": 1,
            "tokenizer.ggml.model": "no_vocab",
            **{f"{self.architecture}.{key}": value for key, value in own.items()},
        }


SHAPES = {
    "smollm2-135m": Shape(
        title="SmolLM2-135M",
        architecture="llama",
        vocabulary=49152,
        width=576,
        feed_forward=1536,
        blocks=30,
        heads=9,
        kv_heads=3,
        head=64,
        rope_base=1e5,
        epsilon=1e-5,
    ),
    "qwen2.5-0.5b": Shape(
        title="Qwen2.5-0.5B",
        architecture="qwen2",
        vocabulary=151936,
        width=896,
        feed_forward=4864,
        blocks=24,
        heads=14,
        kv_heads=2,
        head=64,
        rope_base=1e6,
        bias=True,
    ),
    "qwen3-0.6b": Shape(
        title="Qwen3-0.6B",
        architecture="qwen3",
        vocabulary=151936,
        width=1024,
        feed_forward=3072,
        blocks=28,
        heads=16,
        kv_heads=8,
        head=128,
        rope_base=1e6,
        normed_heads=True,
    ),
    "smollm2-360m": Shape(
        title="SmolLM2-360M",
        architecture="llama",
        vocabulary=49152,
        width=960,
        feed_forward=2560,
        blocks=32,
        heads=15,
        kv_heads=5,
        head=64,
        rope_base=1e5,
        epsilon=1e-5,
    ),
}
"""Sizes from each one's config.json at Hugging Face."""


def make(name: str, seed: int = 1) -> Path:
    """The file of that shape, kept for the next time."""
    kept = paths.cache() / "benchmarks" / "language" / f"{name}-seed{seed}-f16.gguf"
    if not kept.is_file():
        with atomic_write(kept) as draft, draft.open("wb") as file:
            write(SHAPES[name], file, seed)
    return kept


def write(shape: Shape, file: BinaryIO, seed: int) -> None:
    """All of it, a tensor in memory at a time."""
    sizes: Sizes = {name: (F16, size) for name, size in shape.matrices()}
    sizes |= {name: (F32, (size,)) for name, size in shape.vectors()}
    metadata = shape.metadata()
    file.write(b"GGUF" + struct.pack("<IQQ", VERSION, len(sizes), len(metadata)))
    file.writelines(_text(key) + _value(value) for key, value in metadata.items())
    _write_places(file, sizes)
    random = np.random.default_rng(seed)
    for kind, size in sizes.values():
        _pad(file)
        file.write(_data(random, kind, size).tobytes())


def _write_places(file: BinaryIO, sizes: Sizes) -> None:
    at = 0
    for name, (kind, size) in sizes.items():
        # GGUF lists the innermost dimension first.
        ends = struct.pack(f"<I{len(size)}Q", len(size), *reversed(size))
        file.write(_text(name) + ends + struct.pack("<IQ", kind, at))
        length = int(np.prod(size)) * (4 if kind == F32 else 2)
        at += -(-length // ALIGNMENT) * ALIGNMENT


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % ALIGNMENT))


def _data(random: np.random.Generator, kind: int, size: tuple[int, ...]) -> np.ndarray:
    """Vectors, norms and biases alike, are ones."""
    if kind == F32:
        return np.ones(size, "<f4")
    return (random.standard_normal(size, np.float32) * SPREAD).astype("<f2")


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", UINT32, value)
    return struct.pack("<If", FLOAT32, value)
