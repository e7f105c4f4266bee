"""One decoder block by pnnx: ncnn's stock layers of it, compared with torch and then recognised.

nnrun computes a block by layers of its own (``fused_graph``), which nobody but piyard knows. What
stands between torch and them is checked here: pnnx writes the block as ncnn's own layers, ncnn
computes them for several numbers of tokens as torch does, and what they compute is written out as
one expression that must be the expression of the fused layers. A block of another shape is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.difference import OutputFigures, compare_outputs, worst_difference
from piyard.convert.lowering import lower_program, trace_network
from piyard.convert.ncnn_net import load_net, run_net
from piyard.convert.param import Layer
from piyard.core.errors import ConversionFailed
from piyard.core.files import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from piyard.language.config import TransformerConfig

    Settings = Mapping[str, str]
    Describer = Callable[[Settings], str]


BLOCK_STEM = "block"
TRACED_TOKENS, OTHER_TOKENS = 12, 20
"""Numbers of tokens that pnnx is shown: what differs between them is not a constant."""
PROVED_TOKENS = (1, 5, 12, 33)
MIN_COSINE = 0.99999
SCRATCH_PREFIX = "piyard-block-"
BINARY_NAMES = {"0": "add", "2": "mul"}


class BlockProof(msgspec.Struct, frozen=True, kw_only=True):
    """How alike ncnn's stock layers and torch are."""

    figures: OutputFigures
    layers: int
    """Of ncnn."""


def prove_block(
    config: TransformerConfig, weights: Mapping[str, torch.Tensor], rows: torch.Tensor, at: Path
) -> BlockProof:
    """Convert a block with these weights, compare it and recognise it.

    ``rows`` (tokens, hidden) are what it is fed, at least ``max(PROVED_TOKENS)`` of them. What pnnx
    writes is kept in the folder ``at``. Raises ``ConversionFailed``.
    """
    import torch

    from piyard.models.architectures.transformer import DecoderBlock

    with torch.device("meta"):
        block = DecoderBlock(config)
    block.load_state_dict(dict(weights), assign=True)
    layers = lower_block(config, block.eval(), at)
    figures = _compare_block(config, block, rows, at)
    if figures.cosine < MIN_COSINE:
        raise ConversionFailed(
            "ncnn does not compute a block as torch does",
            evidence=f"cosine {figures.cosine:.6f}, largest difference {figures.max_abs}",
            remedy="another pnnx or ncnn may convert it: ./yard --setup brings the pinned ones",
        )
    require_block(config, layers)
    return BlockProof(figures=figures, layers=len(layers))


def lower_block(config: TransformerConfig, block: torch.nn.Module, at: Path) -> list[Layer]:
    """ncnn's layers of a block: inputs x, mask, cosines and sines, for any number of tokens."""
    first, other = _shapes(config, TRACED_TOKENS), _shapes(config, OTHER_TOKENS)
    with scratch_folder(SCRATCH_PREFIX) as scratch:
        program = trace_network(block, first, other, scratch, BLOCK_STEM)
        return lower_program(program, first, at, half=False, others=other)


def _shapes(config: TransformerConfig, tokens: int) -> list[tuple[int, ...]]:
    turned = (tokens, config.head_dim)
    return [(1, tokens, config.hidden), (tokens, tokens), turned, turned]


def _compare_block(
    config: TransformerConfig, block: torch.nn.Module, rows: torch.Tensor, at: Path
) -> OutputFigures:
    from piyard.models.architectures.transformer import block_inputs

    net = load_net(at, BLOCK_STEM)
    differences = []
    for tokens in PROVED_TOKENS:
        fed = (rows[None, :tokens], *block_inputs(config, tokens))
        expected = block(*fed)[0].numpy()
        got = run_net(net, fed[0][0].numpy(), *(each.numpy() for each in fed[1:]))
        differences += [compare_outputs(expected, values) for values in got.values()]
    return worst_difference(differences)


def require_block(config: TransformerConfig, layers: Sequence[Layer]) -> None:
    """Raise ``ConversionFailed`` unless the layers compute what the fused ones will."""
    graph, expected = describe_graph(layers), describe_block(config)
    if graph != expected:
        same = next(
            (
                at
                for at, pair in enumerate(zip(graph, expected, strict=False))
                if len(set(pair)) > 1
            ),
            min(len(graph), len(expected)),
        )
        raise ConversionFailed(
            "pnnx wrote a block that is none of nnrun's",
            evidence=f"it computes  … {graph[max(0, same - 40) : same + 80]}\n"
            f"nnrun would  … {expected[max(0, same - 40) : same + 80]}",
            remedy="another pnnx may write it as expected: ./yard --setup brings the pinned one",
        )


def describe_block(config: TransformerConfig) -> str:
    """The expression that the fused layers of such a block compute."""
    hidden, inner, head = config.hidden, config.feed_forward, config.head_dim

    def heads(kind: str, count: int) -> str:
        bias = "+bias" if config.qkv_bias else ""
        rows = f"linear[{hidden}>{count * head}{bias}]({normed})"
        split = f"reshape[{head},{count},0h]({rows})"
        normal = f"norm[{head},{config.norm_eps:g}]({split})" if config.qk_norm else split
        turned = f"permute[2]({split if kind == 'value' else normal})"
        return turned if kind == "value" else turn(turned)

    def turn(x: str) -> str:
        swapped = f"join(negate(half1({x})),half0({x}))"
        cosines, sines = (f"reshape[{head},0h,1]({name})" for name in ("in2", "in3"))
        return f"add(mul({x},{cosines}),mul({swapped},{sines}))"

    normed = f"norm[{hidden},{config.norm_eps:g}](in0)"
    queries = heads("query", config.heads)
    keys, values = heads("key", config.kv_heads), heads("value", config.kv_heads)
    attended = f"permute[2](attention({queries},{keys},{values},in1))"
    joined = f"reshape[{config.query_width},0c]({attended})"
    middle = f"add(in0,linear[{config.query_width}>{hidden}]({joined}))"
    second = f"norm[{hidden},{config.norm_eps:g}]({middle})"
    gate, up = (f"linear[{hidden}>{inner}]({second})" for _ in range(2))
    return f"add({middle},linear[{inner}>{hidden}](mul(silu({gate}),{up})))"


def describe_graph(layers: Sequence[Layer]) -> str:
    """What the layers' only output is, as an expression of their inputs."""
    makers = {top: layer for layer in layers for top in layer.tops}
    expressions: dict[str, str] = {}
    for layer in layers:
        for top in layer.tops:
            inputs = [expressions[name] for name in layer.bottoms]
            expressions[top] = _describe_layer(layer, layer.tops.index(top), inputs)
    read = {name for layer in layers for name in layer.bottoms}
    ends = [name for name in makers if name not in read]
    return "; ".join(expressions[name] for name in ends)


def _describe_layer(layer: Layer, top: int, inputs: Sequence[str]) -> str:
    """A layer that is none of a block's, or has other settings, is described so that it differs."""
    if layer.type == "Input":
        return layer.tops[0]
    if layer.type == "Split":
        return inputs[0]
    describe = DESCRIBED.get(layer.type)
    operation = describe(layer.settings) if describe else ""
    written = " ".join(f"{key}={value}" for key, value in layer.settings.items())
    halves = str(top) if layer.type == "Slice" else ""
    return f"{operation or f'{layer.type}[{written}]'}{halves}({','.join(inputs)})"


LINEAR_SETTINGS = {"2": "0", "3": "1", "4": "0", "5": "1", "6": "1", "7": "0"}
"""Of a Gemm: ``x Wᵀ`` with a constant W and no factors."""
NO_BIAS, ROW_BIAS = "-1", "4"


def _describe_linear(settings: Settings) -> str:
    bias = {NO_BIAS: "", ROW_BIAS: "+bias"}.get(settings.get("10", ""))
    plain = {key: value for key, value in settings.items() if key not in {"8", "9", "10"}}
    if bias is None or plain != LINEAR_SETTINGS:
        return ""
    return f"linear[{settings.get('9')}>{settings.get('8')}{bias}]"


def _describe_norm(settings: Settings) -> str:
    if settings.get("2") != "1":
        return ""
    return f"norm[{settings.get('0')},{float(settings.get('1', 0)):g}]"


def _describe_reshape(settings: Settings) -> str:
    sides = settings.get("6", "").strip('"')
    return f"reshape[{sides}]" if settings.keys() == {"6"} else ""


def _exactly(operation: str, **expected: str) -> Describer:
    """The operation, of a layer with these settings (``k0`` for 0) and no others."""
    attributes = {key.removeprefix("k").replace("_", "-"): value for key, value in expected.items()}
    return lambda settings: operation if settings == attributes else ""


DESCRIBED: dict[str, Describer] = {
    "Gemm": _describe_linear,
    "RMSNorm": _describe_norm,
    "Reshape": _describe_reshape,
    "Permute": _exactly("permute[2]", k0="2"),
    "Slice": _exactly("half", k_23300="2,-233,-233", k1="2"),
    "UnaryOp": _exactly("negate", k0="1"),
    "Concat": _exactly("join", k0="2"),
    "BinaryOp": lambda settings: BINARY_NAMES.get(settings.get("0", "")) or "",
    "SDPA": _exactly("attention", k5="1"),
    "Swish": _exactly("silu"),
}
"""Type of ncnn's layer → what it computes by its settings; empty for what no block does."""
