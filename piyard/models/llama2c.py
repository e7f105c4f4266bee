"""Weights in the format of llama2.c, its first one ("legacy", version 0).

github.com/karpathy/llama2.c, export.py: seven little-endian int32 (width, feed-forward width,
layers, heads, heads of keys, vocabulary, context), then float32 values in the order below. A
vocabulary above 0 means that the embedding is the output matrix too. Features of a head are turned
in neighbouring pairs, so queries and keys are reordered for halves (see ``unpair_rows``).
"""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.core.errors import ConversionFailed
from piyard.language.config import TransformerConfig, build_config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


HEADER = struct.Struct("<7i")
NORM_EPS = 1e-5
"""llama2.c has it in its code, as the rotary base of 10,000."""
MAX_SIDE = 1 << 20


class Llama2cFile:
    """A file of weights: its ``config``, and its tensors by Hugging Face's names."""

    def __init__(self, path: Path) -> None:
        """Read the header. Raises ``ConversionFailed`` when sizes and file do not fit."""
        self.path = path
        self.config, tables = _read_header(path)
        self._places: dict[str, tuple[int, tuple[int, ...]]] = {}
        at = HEADER.size
        for name, shape in tables:
            self._places[name] = (at, shape)
            at += 4 * prod(shape)
        if at > path.stat().st_size:
            raise _broken_file(path, f"it is cut: {at - path.stat().st_size:,} bytes are missing")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of each tensor."""
        layered = {name: shape for name, (_, shape) in self._places.items()}
        shapes: dict[str, tuple[int, ...]] = {}
        for name, shape in layered.items():
            if "{}" in name:
                shapes |= {name.format(layer): shape[1:] for layer in range(shape[0])}
            elif name:
                shapes[name] = shape
        return shapes

    def read(self, name: str) -> NDArray[np.float32]:
        """A tensor's values. Raises ``ConversionFailed`` when it is not there."""
        if name not in self.shapes:
            raise _broken_file(self.path, f"there is no tensor '{name}'")
        layer = name.split(".")[2] if name.startswith("model.layers.") else ""
        entry = name.replace(f".{layer}.", ".{}.", 1) if layer else name
        begin, shape = self._places[entry]
        if layer:
            shape = shape[1:]
            begin += 4 * prod(shape) * int(layer)
        values = self._values(begin, shape)
        heads = {"q_proj": self.config.heads, "k_proj": self.config.kv_heads}
        part = name.split(".")[-2]
        return unpair_rows(values, heads[part]) if part in heads else values

    def _values(self, begin: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        import numpy as np

        values: NDArray[np.float32] = np.fromfile(self.path, "<f4", prod(shape), offset=begin)
        return values.reshape(shape)


def is_llama2c(path: Path) -> bool:
    """Whether header and size fit each other."""
    try:
        Llama2cFile(path)
    except (OSError, ConversionFailed):
        return False
    return True


def unpair_rows(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of each head that belong to neighbouring pairs, as halves: the even, then the odd ones.

    GGUF's files of Llama and llama2.c turn features 2i and 2i+1 of a head together; Hugging Face
    turns i and i + d/2.
    """
    pairs = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    halves: NDArray[np.float32] = pairs.swapaxes(1, 2).reshape(values.shape)
    return halves


def _read_header(path: Path) -> tuple[TransformerConfig, list[tuple[str, tuple[int, ...]]]]:
    with path.open("rb") as stream:
        header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        raise _broken_file(path, "it is shorter than its header")
    hidden, feed_forward, layers, heads, kv_heads, vocabulary, context = HEADER.unpack(header)
    sides = (hidden, feed_forward, layers, heads, kv_heads, abs(vocabulary), context)
    if not all(0 < side <= MAX_SIDE for side in sides) or hidden % heads:
        raise _broken_file(path, f"its header says {', '.join(map(str, sides))}")
    config = build_config(
        {
            "family": "llama",
            "vocabulary": abs(vocabulary),
            "hidden": hidden,
            "layers": layers,
            "heads": heads,
            "kv_heads": kv_heads,
            "head_dim": hidden // heads,
            "feed_forward": feed_forward,
            "norm_eps": NORM_EPS,
            "tied": vocabulary > 0,
            "context": context,
            "bos": 1,
            "eos": [1, 2],
        },
        path,
    )
    return config, _layout(config)


def _layout(config: TransformerConfig) -> list[tuple[str, tuple[int, ...]]]:
    """Each tensor's name and shape in the file's order; layers stand together in its first axis."""
    layers, hidden, inner = config.layers, config.hidden, config.feed_forward
    block = "model.layers.{}."
    tables: list[tuple[str, tuple[int, ...]]] = [
        ("model.embed_tokens.weight", (config.vocabulary, hidden)),
        (f"{block}input_layernorm.weight", (layers, hidden)),
        (f"{block}self_attn.q_proj.weight", (layers, config.query_width, hidden)),
        (f"{block}self_attn.k_proj.weight", (layers, config.kv_width, hidden)),
        (f"{block}self_attn.v_proj.weight", (layers, config.kv_width, hidden)),
        (f"{block}self_attn.o_proj.weight", (layers, hidden, config.query_width)),
        (f"{block}post_attention_layernorm.weight", (layers, hidden)),
        (f"{block}mlp.gate_proj.weight", (layers, inner, hidden)),
        (f"{block}mlp.down_proj.weight", (layers, hidden, inner)),
        (f"{block}mlp.up_proj.weight", (layers, inner, hidden)),
        ("model.norm.weight", (hidden,)),
        ("", (config.context, config.head_dim)),  # cosines and sines, which follow from the sizes
    ]
    if not config.tied:
        tables.append(("lm_head.weight", (config.vocabulary, hidden)))
    return tables


def _broken_file(path: Path, why: str) -> ConversionFailed:
    return ConversionFailed(
        f"{path.name} is not a readable file of llama2.c: {why}", remedy="copy or download it again"
    )
