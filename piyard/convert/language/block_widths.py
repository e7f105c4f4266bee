"""How many bits each kind of matrix in a decoder's blocks needs, by a budget of perplexity.

int4 gives all four kinds 4 bits. Where that alone costs more than the budget, some get 6 or 8, so
that enough of the loss is saved for the fewest bytes. What more bits of a kind save is computed
with all others at 4 bits; savings are taken to add up, and the proof tells what the choice costs.
The table of the vocabulary has a budget of its own (``table_width``).

The loss is the KL divergence, in nats a token: by its exponential the perplexity rises on text as
the model itself writes it. What the proof's text says is less: a model of children's stories is as
good as before at what it never knew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import msgspec
import torch

from piyard.convert.language.agreement import AgreementSums, LogitAgreement, WidthTrial
from piyard.convert.language.formats import FORMATS, Bits, Format, Formats, Kind
from piyard.convert.language.fused_graph import (
    HEAD_LAYER,
    block_parts,
    linear_parts,
    read_rows,
    round_to_nearest,
)
from piyard.convert.language.twin import make_block, run_windows
from piyard.convert.language.twin_pass import add_logits, replace_rows, restore_matrix
from piyard.models.transformer_files import EMBEDDING, TensorSource, read_block, read_finite

if TYPE_CHECKING:
    from piyard.convert.language.proof_tokens import ProofTokens
    from piyard.models.architectures.transformer import DecoderBlock
    from piyard.models.language_models import LanguageProof

    Weights = dict[str, torch.Tensor]

KINDS: tuple[Kind, ...] = ("qkv", "out", "gate_up", "down")
WIDER: tuple[Bits, ...] = (6, 8)
"""Bits that are tried in place of 4."""


def choose_widths(
    source: TensorSource, formats: Formats, tokens: ProofTokens, limits: LanguageProof
) -> tuple[Formats, list[WidthTrial]]:
    """The formats with the fewest bytes within ``limits.blocks``, and what was tried."""
    narrow = _try(source, [formats], tokens)
    excess = narrow[0].agreement.divergence - math.log1p(limits.blocks)
    if excess <= 0:
        return formats, narrow
    wider = [widen(formats, {kind: bits}) for kind in KINDS for bits in WIDER]
    trials = _try(source, wider, tokens)
    weights = {kind: _weights(source, kind) for kind in KINDS}
    choice = pick_widths(excess, _savings(narrow[0], trials), weights)
    return widen(formats, choice), narrow + trials


def widen(formats: Formats, widths: dict[Kind, Bits]) -> Formats:
    """With other bits for some kinds."""
    wide = {
        kind: msgspec.structs.replace(formats.blocks, bits=bits)
        for kind, bits in widths.items()
        if bits != formats.blocks.bits
    }
    return msgspec.structs.replace(formats, wide=wide)


def pick_widths(
    excess: float, savings: dict[tuple[Kind, Bits], float], weights: dict[Kind, int]
) -> dict[Kind, Bits]:
    """Bits of each kind: the fewest bytes that save ``excess`` nats, or what saves most."""
    ways = [dict(zip(KINDS, bits, strict=True)) for bits in product((4, *WIDER), repeat=4)]

    def saved(way: dict[Kind, Bits]) -> float:
        return sum(savings.get(pair, 0.0) for pair in way.items())

    def size(way: dict[Kind, Bits]) -> int:
        return sum(weights[kind] * bits for kind, bits in way.items())

    enough = [way for way in ways if saved(way) >= excess]
    return min(enough, key=size) if enough else max(ways, key=saved)


def _savings(narrow: WidthTrial, trials: Sequence[WidthTrial]) -> dict[tuple[Kind, Bits], float]:
    """Nats a token that each kind saves with so many bits."""
    before = narrow.agreement.divergence
    return {
        (kind, format_.bits): before - trial.agreement.divergence
        for trial in trials
        for kind, format_ in trial.formats.wide.items()
    }


def _weights(source: TensorSource, kind: Kind) -> int:
    """Of one block's matrix of that kind."""
    parts = linear_parts(source.config, FORMATS["fp32"])
    part = parts[f"{kind}_0"]
    return part.shape.rows * part.inputs


def _try(
    source: TensorSource, variants: Sequence[Formats], tokens: ProofTokens
) -> list[WidthTrial]:
    """What each costs, the table being the original's."""
    ids = [torch.tensor(window) for window in tokens.proof]
    original, *twins = _run_blocks(source, tokens.proof, variants)
    return [
        WidthTrial(formats=variant, agreement=_compare(source, ids, original, twin, tokens))
        for variant, twin in zip(variants, twins, strict=True)
    ]


def _run_blocks(
    source: TensorSource, proof: Sequence[Sequence[int]], variants: Sequence[Formats]
) -> list[list[torch.Tensor]]:
    """What leaves the last block: of the original, then of each variant."""
    table = read_finite(source, EMBEDDING)
    begin = [torch.from_numpy(table[list(window)]) for window in proof]
    runs = [begin] * (1 + len(variants))
    for layer in range(source.config.layers):
        weights = read_block(source, layer)
        exact = make_block(source.config, weights)
        stored: dict[tuple[str, Format], Weights] = {}
        blocks = [_rounded_block(source, layer, weights, each, stored) for each in variants]
        runs = [
            run_windows(source.config, block, windows)
            for block, windows in zip([exact, *blocks], runs, strict=True)
        ]
    return runs


def _rounded_block(
    source: TensorSource,
    layer: int,
    weights: Weights,
    formats: Formats,
    stored: dict[tuple[str, Format], Weights],
) -> DecoderBlock:
    """A block of the twin; ``stored`` keeps what was rounded before."""
    rounded = dict(weights)
    for part in block_parts(source.config, layer, formats):
        key = part.name, part.format
        if key not in stored:
            matrix = restore_matrix(round_to_nearest(part, read_rows(source, part)), part.format)
            stored[key] = replace_rows(part, weights, matrix)
        rounded |= stored[key]
    return make_block(source.config, rounded, formats.blocks)


def _compare(
    source: TensorSource,
    ids: Sequence[torch.Tensor],
    original: Sequence[torch.Tensor],
    twin: Sequence[torch.Tensor],
    tokens: ProofTokens,
) -> LogitAgreement:
    part = linear_parts(source.config, FORMATS["fp32"])[HEAD_LAYER]
    matrix = read_rows(source, part)
    sums = AgreementSums()
    add_logits(sums, source, part, (matrix, matrix), ids, original, twin)
    return sums.result(tokens.text, is_text=tokens.is_text)
