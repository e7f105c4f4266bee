"""GGUF files of well-known shapes with seeded weights, for models whose files are not at hand.

The format is that of llama.cpp's docs/gguf.md in version 3: a header, metadata, the tensors' names
and places, then their data, each at a multiple of ``ALIGNMENT`` bytes. Weights are fp16, norms and
biases fp32, as convert_hf_to_gguf.py writes them; llama-quantize makes the rest of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from piyard.core import paths
from piyard.core.files import atomic_write
from piyard.language.config import TransformerConfig
from piyard.models.language_models import load_language_model

ALIGNMENT = 32
VERSION = 3
F32, F16 = 0, 1
"""Types of tensors."""
UINT32, FLOAT32, STRING = 4, 6, 8
"""Types of metadata."""
SPREAD = 0.02
"""The deviation of the weights: transformers' ``initializer_range``."""

Value = int | float | str
Sizes = dict[str, tuple[int, tuple[int, ...]]]
"""Name → type, and dimensions from the outermost."""

MODELS = {
    "smollm2-135m": "smollm2_135m_instruct",
    "smollm2-360m": "smollm2_360m_instruct",
    "qwen2.5-0.5b": "qwen2_5_0_5b_instruct",
    "qwen3-0.6b": "qwen3_0_6b",
}
SHAPES = {
    name: msgspec.structs.replace(load_language_model(model).language, bos=None, eos=())
    for name, model in MODELS.items()
}
"""Those of models/language/, without tokens of a vocabulary that a seeded file does not have."""


def make(name: str, seed: int = 1) -> Path:
    """The file of that shape, kept for the next time."""
    kept = paths.cache() / "benchmarks" / "language" / f"{name}-seed{seed}-f16.gguf"
    if not kept.is_file():
        with atomic_write(kept) as draft, draft.open("wb") as file:
            write(SHAPES[name], name, file, seed)
    return kept


def write(shape: TransformerConfig, name: str, file: BinaryIO, seed: int) -> None:
    """All of it, a tensor in memory at a time."""
    sizes: Sizes = {name: (F16, size) for name, size in _matrices(shape)}
    sizes |= {name: (F32, (size,)) for name, size in _vectors(shape)}
    metadata = _metadata(shape, name)
    file.write(b"GGUF" + struct.pack("<IQQ", VERSION, len(sizes), len(metadata)))
    file.writelines(_text(key) + _value(value) for key, value in metadata.items())
    _write_places(file, sizes)
    random = np.random.default_rng(seed)
    for kind, size in sizes.values():
        _pad(file)
        file.write(_data(random, kind, size).tobytes())
    _pad(file)


def _matrices(shape: TransformerConfig) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name → outputs and inputs."""
    width, inner = shape.hidden, shape.feed_forward
    queries, keys = (shape.query_width, width), (shape.kv_width, width)
    yield "token_embd.weight", (shape.vocabulary, width)
    if not shape.tied:
        yield "output.weight", (shape.vocabulary, width)
    attention = {"attn_q": queries, "attn_k": keys, "attn_v": keys, "attn_output": queries[::-1]}
    feed = {"ffn_gate": (inner, width), "ffn_up": (inner, width), "ffn_down": (width, inner)}
    for block in range(shape.layers):
        for name, size in (attention | feed).items():
            yield f"blk.{block}.{name}.weight", size


def _vectors(shape: TransformerConfig) -> Iterator[tuple[str, int]]:
    """Norms and biases, by name and length."""
    sizes = {"attn_norm.weight": shape.hidden, "ffn_norm.weight": shape.hidden}
    if shape.qkv_bias:
        sizes |= {"attn_q.bias": shape.query_width}
        sizes |= {f"attn_{name}.bias": shape.kv_width for name in "kv"}
    if shape.qk_norm:
        sizes |= {f"attn_{name}_norm.weight": shape.head_dim for name in "qk"}
    yield "output_norm.weight", shape.hidden
    for block in range(shape.layers):
        for name, size in sizes.items():
            yield f"blk.{block}.{name}", size


def _metadata(shape: TransformerConfig, name: str) -> dict[str, Value]:
    """What llama.cpp needs to know; there is no tokenizer, only a number of tokens."""
    own: dict[str, Value] = {
        "vocab_size": shape.vocabulary,
        "context_length": shape.context,
        "embedding_length": shape.hidden,
        "block_count": shape.layers,
        "feed_forward_length": shape.feed_forward,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head_dim,
        "attention.value_length": shape.head_dim,
        "attention.layer_norm_rms_epsilon": shape.norm_eps,
        "rope.dimension_count": shape.head_dim,
        "rope.freq_base": shape.rope_theta,
    }
    return {
        "general.architecture": shape.family,
        "general.name": f"{name}, seeded weights",
        "general.file_type": F16,
        "tokenizer.ggml.model": "no_vocab",
        **{f"{shape.family}.{key}": value for key, value in own.items()},
    }


def _write_places(file: BinaryIO, sizes: Sizes) -> None:
    at = 0
    for name, (kind, size) in sizes.items():
        # GGUF lists the innermost dimension first.
        ends = struct.pack(f"<I{len(size)}Q", len(size), *reversed(size))
        file.write(_text(name) + ends + struct.pack("<IQ", kind, at))
        length = prod(size) * (4 if kind == F32 else 2)
        at += -(-length // ALIGNMENT) * ALIGNMENT


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % ALIGNMENT))


def _data(random: np.random.Generator, kind: int, size: tuple[int, ...]) -> NDArray[Any]:
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
