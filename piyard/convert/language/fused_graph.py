"""A whole decoder as layers of nnrun's own: its .param, and its .bin written matrix by matrix.

    in0 → for each block: LinearQ (norm, queries, keys, values) → Attention → LinearQ (+ in0)
        → LinearQ (norm, gate, up) → LinearQ (+) → … → hidden → LinearQ lm_head (norm) → logits

The rows of embeddings that enter are rows of ``lm_head``, or of ``embed_tokens`` where the two
differ, which is never run. One matrix is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.language.formats import Format, Formats
from piyard.convert.language.panels import (
    Blocks,
    LinearShape,
    LinearWeights,
    attention_section,
    linear_section,
)
from piyard.convert.language.quantise import dequantise_matrix, quantise_matrix, relative_error
from piyard.convert.pair_cut import format_param
from piyard.convert.param import Layer
from piyard.core.files import require_room
from piyard.models.transformer_files import EMBEDDING, OUTPUT, TensorSource, read_finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.language.config import TransformerConfig

    Floats = NDArray[np.float32]


INPUT, HIDDEN, LOGITS = "in0", "hidden", "logits"
HEAD_LAYER, EMBEDDING_LAYER = "lm_head", "embed_tokens"
EMBEDDING_INPUT = "in1"


class LinearPart(msgspec.Struct, frozen=True, kw_only=True):
    """A LinearQ: Hugging Face's tensors whose rows it joins, and how they are stored."""

    name: str
    tensors: tuple[str, ...]
    """Without ``.weight``."""
    norm: str = ""
    """The tensor of the norm before it."""
    format: Format
    outputs: int
    inputs: int
    bias: bool = False
    gate: bool = False
    eps: float = 0.0

    @property
    def shape(self) -> LinearShape:
        """As the kernels have it."""
        return LinearShape(
            outputs=self.outputs,
            inputs=self.inputs,
            bits=self.format.bits,
            block=self.format.block,
            bias=self.bias,
            affine=self.format.affine,
            norm="rms" if self.norm else "none",
            eps=self.eps,
            gate=self.gate,
        )


class LayerError(msgspec.Struct, frozen=True, kw_only=True):
    """What rounding has cost a matrix."""

    layer: str
    format: str
    error: float
    """Root of the squared error over the squares of the weights."""


Quantiser = Callable[[LinearPart, "Floats"], "Floats | Blocks"]
"""A matrix (rows, inputs) as it is stored: floats as they are, or integers."""


def round_to_nearest(part: LinearPart, matrix: Floats) -> Floats | Blocks:
    """The quantiser that looks at nothing but the weights."""
    return quantise_matrix(matrix, part.format) if part.format.is_integer else matrix


def linear_parts(config: TransformerConfig, formats: Formats) -> dict[str, LinearPart]:
    """Every LinearQ by name, in the order in which they lie in the file."""
    parts = [part for layer in range(config.layers) for part in block_parts(config, layer, formats)]
    head = LinearPart(
        name=HEAD_LAYER,
        tensors=((EMBEDDING if config.tied else OUTPUT).removesuffix(".weight"),),
        norm="model.norm.weight",
        format=formats.head,
        outputs=config.vocabulary,
        inputs=config.hidden,
        eps=config.norm_eps,
    )
    if config.tied:
        return {part.name: part for part in [*parts, head]}
    table = LinearPart(
        name=EMBEDDING_LAYER,
        tensors=(EMBEDDING.removesuffix(".weight"),),
        format=formats.head,
        outputs=config.vocabulary,
        inputs=config.hidden,
    )
    return {part.name: part for part in [table, *parts, head]}


def block_parts(config: TransformerConfig, layer: int, formats: Formats) -> list[LinearPart]:
    """The four of a block."""
    prefix, eps = f"model.layers.{layer}.", config.norm_eps
    return [
        LinearPart(
            name=f"qkv_{layer}",
            tensors=tuple(f"{prefix}self_attn.{part}_proj" for part in "qkv"),
            norm=f"{prefix}input_layernorm.weight",
            format=formats.of("qkv"),
            outputs=config.query_width + 2 * config.kv_width,
            inputs=config.hidden,
            bias=config.qkv_bias,
            eps=eps,
        ),
        LinearPart(
            name=f"out_{layer}",
            tensors=(f"{prefix}self_attn.o_proj",),
            format=formats.of("out"),
            outputs=config.hidden,
            inputs=config.query_width,
        ),
        LinearPart(
            name=f"gate_up_{layer}",
            tensors=(f"{prefix}mlp.gate_proj", f"{prefix}mlp.up_proj"),
            norm=f"{prefix}post_attention_layernorm.weight",
            format=formats.of("gate_up"),
            outputs=config.feed_forward,
            inputs=config.hidden,
            gate=True,
            eps=eps,
        ),
        LinearPart(
            name=f"down_{layer}",
            tensors=(f"{prefix}mlp.down_proj",),
            format=formats.of("down"),
            outputs=config.hidden,
            inputs=config.feed_forward,
        ),
    ]


def fused_layers(config: TransformerConfig, formats: Formats) -> list[Layer]:
    """The lines of the .param."""
    parts = linear_parts(config, formats)
    layers = [Layer(type="Input", name=INPUT, bottoms=[], tops=[INPUT])]
    if EMBEDDING_LAYER in parts:
        layers.append(Layer(type="Input", name=EMBEDDING_INPUT, bottoms=[], tops=[EMBEDDING_INPUT]))
        layers.append(_linear(parts[EMBEDDING_LAYER], [EMBEDDING_INPUT], "embeddings"))
    x = INPUT
    for layer in range(config.layers):
        last = layer + 1 == config.layers
        layers += _block_layers(config, parts, layer, x, HIDDEN if last else f"x_{layer + 1}")
        x = f"x_{layer + 1}"
    layers.append(_linear(parts[HEAD_LAYER], [HIDDEN], LOGITS))
    return layers


def _block_layers(
    config: TransformerConfig, parts: dict[str, LinearPart], layer: int, x: str, end: str
) -> Iterator[Layer]:
    middle = f"middle_{layer}"
    yield _split(x)
    yield _linear(parts[f"qkv_{layer}"], [f"{x}_a"], f"qkv_{layer}")
    yield Layer(
        type="Attention",
        name=f"attention_{layer}",
        bottoms=[f"qkv_{layer}"],
        tops=[f"heads_{layer}"],
        settings=attention_settings(config),
    )
    yield _linear(parts[f"out_{layer}"], [f"heads_{layer}", f"{x}_b"], middle)
    yield _split(middle)
    yield _linear(parts[f"gate_up_{layer}"], [f"{middle}_a"], f"gated_{layer}")
    yield _linear(parts[f"down_{layer}"], [f"gated_{layer}", f"{middle}_b"], end)


def attention_settings(config: TransformerConfig) -> dict[str, str]:
    """Heads, heads of keys, size, scale, rotary features, norms of heads, their eps, causal."""
    values = (
        *(config.heads, config.kv_heads, config.head_dim),
        f"{config.head_dim**-0.5:.9e}",
        config.head_dim,
        int(config.qk_norm),
        f"{config.norm_eps:.9e}",
        1,
    )
    return {str(key): str(value) for key, value in enumerate(values)}


def _linear(part: LinearPart, bottoms: list[str], top: str) -> Layer:
    settings = dict(pair.split("=") for pair in part.shape.params.split())
    return Layer(type="LinearQ", name=part.name, bottoms=bottoms, tops=[top], settings=settings)


def _split(blob: str) -> Layer:
    tops = [f"{blob}_a", f"{blob}_b"]
    return Layer(type="Split", name=f"split_{blob}", bottoms=[blob], tops=tops)


def write_decoder(
    source: TensorSource,
    formats: Formats,
    param: Path,
    bin_: Path,
    quantise: Quantiser = round_to_nearest,
) -> list[LayerError]:
    """Both files of the decoder; returns what rounding has cost each matrix of integers.

    Raises ``ConversionFailed`` for weights that are NaN or infinite.
    """
    config = source.config
    layers = fused_layers(config, formats)
    param.write_text(format_param(layers))
    parts, errors = linear_parts(config, formats), []
    with bin_.open("wb") as stream:
        for layer in layers:
            if layer.type == "Attention":
                block = int(layer.name.rpartition("_")[2])
                stream.write(_attention_bytes(source, block, stream.tell()))
            elif layer.type == "LinearQ":
                part = parts[layer.name]
                weights, error = _linear_weights(source, part, quantise)
                stream.write(linear_section(part.shape, weights, stream.tell()))
                errors += [error] if error else []
            require_room(bin_.parent)
    return errors


def read_rows(source: TensorSource, part: LinearPart) -> Floats:
    """The matrix of a part, its tensors' rows one after the other."""
    import numpy as np

    return np.concatenate([read_finite(source, f"{name}.weight") for name in part.tensors])


def _linear_weights(
    source: TensorSource, part: LinearPart, quantise: Quantiser
) -> tuple[LinearWeights, LayerError | None]:
    import numpy as np

    matrix = read_rows(source, part)
    biases = [read_finite(source, f"{name}.bias") for name in part.tensors if part.bias]
    stored = quantise(part, matrix)
    weights = LinearWeights(
        matrix=stored,
        norm_weight=read_finite(source, part.norm) if part.norm else None,
        bias=np.concatenate(biases) if biases else None,
    )
    return weights, _measure_error(part, matrix, stored)


def _measure_error(part: LinearPart, matrix: Floats, stored: Floats | Blocks) -> LayerError | None:
    if not isinstance(stored, Blocks):
        return None
    lost = relative_error(matrix, dequantise_matrix(stored, part.format))
    return LayerError(layer=part.name, format=part.format.label, error=lost)


def _attention_bytes(source: TensorSource, layer: int, offset: int) -> bytes:
    import numpy as np

    config = source.config
    frequencies = np.array(config.rope_frequencies(), np.float32)
    if not config.qk_norm:
        return attention_section(offset, frequencies)
    norms = [
        read_finite(source, f"model.layers.{layer}.self_attn.{part}_norm.weight") for part in "qk"
    ]
    return attention_section(offset, frequencies, *norms)
