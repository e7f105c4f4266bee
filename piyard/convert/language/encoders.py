"""Encoders of pictures and texts in nnrun's own layers: the form that boards run in fp16.

A block is four LinearQ and an Attention, with its normalisations, its activation and what it adds
fused in, instead of the twenty layers that pnnx writes. What comes before the blocks of a picture
stays in ncnn's own layers: the filters of patches, positions, the first normalisation.

    in0 → Convolution → rows, a row for the class → + positions → LayerNorm → blocks → first row
        → LinearQ (normalisation, projection) → out0
"""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from piyard.convert.language.formats import Bits, Format
from piyard.convert.language.panels import (
    LinearShape,
    LinearWeights,
    attention_section,
    linear_section,
)
from piyard.convert.language.quantise import quantise_matrix
from piyard.convert.param import PARAM_MAGIC

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from piyard.models.architectures.clip import SiglipVision, TextEncoder, VisionTransformer
    from piyard.models.architectures.clip_blocks import Attention, Mlp, Transformer
    from piyard.vision.schema import Floats


FUSED_ENDINGS = ("fused.param", "fused.bin")
INTEGER_BLOCK = 64
HALF_TAG = (0x01306B47).to_bytes(4, "little")
"""Before ncnn's own weights in fp16."""
GELUS = {"quick": "quick_gelu", "erf": "gelu", "tanh": "tanh_gelu"}


class FusedNet:
    """A net that grows layer by layer; its weights are in fp16, in fp32, or in int8.

    ncnn's own layers have halves where its matrices are integers.
    """

    def __init__(self, bits: Bits = 16) -> None:
        self.format = Format(bits, INTEGER_BLOCK if bits < 16 else 0)
        self.bits = max(bits, 16)
        self._lines: list[str] = []
        self._blobs = 0
        self._weights = bytearray()

    def write(self, at: Path, stem: str) -> None:
        """<stem>.fused.param and <stem>.fused.bin."""
        head = [PARAM_MAGIC, f"{len(self._lines)} {self._blobs}"]
        text = "\n".join([*head, *self._lines]) + "\n"
        (at / f"{stem}.{FUSED_ENDINGS[0]}").write_text(text, encoding="utf-8")
        (at / f"{stem}.{FUSED_ENDINGS[1]}").write_bytes(self._weights)

    def add(self, kind: str, bottoms: list[str], tops: list[str], params: str = "") -> str:
        """A layer, called as the first blob it makes, which is returned."""
        counts = f"{len(bottoms)} {len(tops)}"
        blobs = " ".join([*bottoms, *tops])
        self._lines.append(f"{kind} {tops[0]} {counts} {blobs} {params}".rstrip())
        self._blobs += len(tops)
        return tops[0]

    def split(self, blob: str) -> tuple[str, str]:
        """The blob for two layers."""
        self.add("Split", [blob], [f"{blob}_a", f"{blob}_b"])
        return f"{blob}_a", f"{blob}_b"

    def constant(self, name: str, rows: NDArray[Any]) -> str:
        """Rows that depend on nothing."""
        self._raw(rows)
        return self.add("MemoryData", [], [name], f"0={rows.shape[1]} 1={rows.shape[0]}")

    def convolution(self, name: str, below: str, weight: NDArray[Any], bias: Floats | None) -> str:
        """Filters of (outputs, channels, side, side), a step as wide as they are."""
        outputs, _, side, _ = weight.shape
        self._weights += HALF_TAG if self.bits == 16 else bytes(4)
        self._raw(weight.astype("<f2") if self.bits == 16 else weight)
        if bias is not None:
            self._raw(bias)
        params = f"0={outputs} 1={side} 3={side} 5={int(bias is not None)} 6={weight.size}"
        return self.add("Convolution", [below], [name], params)

    def patch_rows(self, weight: NDArray[Any], bias: Floats | None, count: int) -> str:
        """A row for each of ``count`` patches of a picture."""
        maps = self.convolution("patches", "in0", weight, bias)
        flat = self.add("Reshape", [maps], ["flat"], f"0={count} 1={len(weight)}")
        return self.add("Permute", [flat], ["rows"], "0=1")

    def layer_norm(self, name: str, below: str, norm: Any) -> str:
        """ncnn's own."""
        for values in (norm.weight, norm.bias):
            self._raw(_array(values))
        width = norm.weight.shape[0]
        return self.add("LayerNorm", [below], [name], f"0={width} 1={norm.eps:e} 2=1")

    def linear(
        self,
        name: str,
        bottoms: list[str],
        matrix: Floats,
        bias: Floats | None = None,
        *,
        norm: Any = None,
        activation: str = "none",
    ) -> str:
        """A LinearQ of a matrix (outputs, inputs); a second bottom is added to what it makes."""
        shape = LinearShape(
            outputs=matrix.shape[0],
            inputs=matrix.shape[1],
            bits=self.format.bits,
            block=self.format.block,
            bias=bias is not None,
            norm="none" if norm is None else "layer",
            eps=0.0 if norm is None else norm.eps,
            activation=activation,
        )
        weights = LinearWeights(
            matrix=quantise_matrix(matrix, self.format) if self.format.is_integer else matrix,
            bias=bias,
            norm_weight=None if norm is None else _array(norm.weight),
            norm_shift=None if norm is None else _array(norm.bias),
        )
        self._weights += linear_section(shape, weights, len(self._weights))
        return self.add("LinearQ", bottoms, [name], shape.params)

    def attention(self, name: str, below: str, heads: int, width: int, *, causal: bool) -> str:
        """An Attention of rows of queries, keys and values."""
        size = width // heads
        self._weights += attention_section(len(self._weights))
        params = f"0={heads} 1={heads} 2={size} 3={1 / sqrt(size):e} 4=0 5=0 6=1e-06"
        return self.add("Attention", [below], [name], f"{params} 7={int(causal)}")

    def blocks(self, below: str, transformer: Transformer, *, causal: bool) -> str:
        """All blocks of a transformer."""
        blocks: Any = transformer.resblocks
        for number, block in enumerate(blocks):
            name, attn = f"b{number}", block.attn
            x, beside = self.split(below)
            qkv = self.linear(f"{name}_qkv", [x], *_qkv(attn), norm=block.ln_1)
            seen = self.attention(f"{name}_seen", qkv, attn.heads, attn.width, causal=causal)
            below = self.linear(f"{name}_out", [seen, beside], *_weights(attn.out_proj))
            below = self.feed_forward(name, below, block.mlp, block.ln_2)
        return below

    def feed_forward(self, name: str, below: str, mlp: Mlp, norm: Any) -> str:
        """Both matrices, and what went in beside them."""
        x, beside = self.split(below)
        activation = GELUS[mlp.gelu]
        wide = self.linear(f"{name}_fc", [x], *_weights(mlp.c_fc), norm=norm, activation=activation)
        return self.linear(f"{name}_mlp", [wide, beside], *_weights(mlp.c_proj))

    def first_row(self, below: str, width: int) -> str:
        """The first token's row alone."""
        return self.add("Crop", [below], ["first"], f"0=0 1=0 3={width} 4=1")

    def output(self, below: str) -> str:
        """One row as the vector that the net gives."""
        return self.add("Reshape", [below], ["out0"], "0=-1")

    def _raw(self, values: NDArray[Any]) -> None:
        kept = values if values.dtype == np.float16 else values.astype("<f4")
        self._weights += kept.tobytes()
        self._weights += b"\0" * (-len(self._weights) % 4)


def fuse_picture_encoder(network: VisionTransformer | SiglipVision, bits: Bits = 16) -> FusedNet:
    """The encoder of pictures of CLIP's transformers, or of SigLIP."""
    from piyard.models.architectures.clip import SiglipVision

    net = FusedNet(bits)
    net.add("Input", [], ["in0"])
    if isinstance(network, SiglipVision):
        _fuse_siglip(net, network)
    else:
        _fuse_vit(net, network)
    return net


def _fuse_vit(net: FusedNet, network: VisionTransformer) -> None:
    positions = _array(network.positional_embedding).copy()
    positions[0] += _array(network.class_embedding)
    rows = _patch_rows(net, network)
    rows = net.add("Padding", [rows], ["padded"], "0=1 1=0 2=0 3=0 4=0 5=0.0 6=0")
    placed = net.add("BinaryOp", [rows, net.constant("places", positions)], ["placed"], "0=0")
    x = net.layer_norm("begin", placed, network.ln_pre)
    x = net.blocks(x, network.transformer, causal=False)
    first = net.first_row(x, positions.shape[1])
    matrix = _array(network.proj).T
    net.output(net.linear("embedding", [first], matrix, norm=network.ln_post))


def _fuse_siglip(net: FusedNet, network: SiglipVision) -> None:
    positions, head = _array(network.positional_embedding), network.head
    rows = _patch_rows(net, network)
    placed = net.add("BinaryOp", [rows, net.constant("places", positions)], ["placed"], "0=0")
    x = net.blocks(placed, network.transformer, causal=False)
    attn = head.attention
    matrix, bias = _qkv(attn)
    # The probe's query is the same for every picture: rows of zeros, and it as their bias.
    probe = matrix[: attn.width] @ _array(head.probe).ravel() + bias[: attn.width]
    matrix = np.concatenate([np.zeros_like(matrix[: attn.width]), matrix[attn.width :]])
    bias = np.concatenate([probe, bias[attn.width :]])
    qkv = net.linear("probe_qkv", [x], matrix, bias, norm=network.ln_post)
    seen = net.attention("probe_seen", qkv, attn.heads, attn.width, causal=False)
    pooled = net.linear("pooled", [net.first_row(seen, attn.width)], *_weights(attn.out_proj))
    net.output(net.feed_forward("head", pooled, head.mlp, head.layernorm))


def _patch_rows(net: FusedNet, network: VisionTransformer | SiglipVision) -> str:
    """A row a patch."""
    filters, config = network.conv1, network.config
    bias = None if filters.bias is None else _array(filters.bias)
    return net.patch_rows(_array(filters.weight), bias, (config.side // config.patch) ** 2)


def fuse_text_encoder(network: TextEncoder, *, causal: bool, bits: Bits = 16) -> FusedNet:
    """The encoder of texts; ``causal`` takes the place of the mask."""
    net = FusedNet(bits)
    x = net.blocks(net.add("Input", [], ["in0"]), network.transformer, causal=causal)
    bias = None if network.bias is None else _array(network.bias)
    net.linear("out0", [x], _array(network.projection).T, bias, norm=network.ln_final)
    return net


def _qkv(attention: Attention) -> tuple[Floats, Floats]:
    return _array(attention.in_proj_weight), _array(attention.in_proj_bias)


def _weights(layer: Any) -> tuple[Floats, Floats]:
    return _array(layer.weight), _array(layer.bias)


def _array(values: Tensor) -> Floats:
    array: Floats = values.detach().numpy()
    return array
