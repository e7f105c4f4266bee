"""How many bits the table of the vocabulary needs: the fewest whose own cost is within a budget.

A token reads the whole table once, as the output; in a small model it is a third of all weights.
What a width costs is computed with every block as the original has it, so that nothing else is
counted: rows that enter are rounded where the table is the embedding too, and so is the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from piyard.convert.language.agreement import AgreementSums, LogitAgreement, TableTrial
from piyard.convert.language.formats import Format, Formats
from piyard.convert.language.fused_graph import (
    HEAD_LAYER,
    linear_parts,
    read_rows,
    round_to_nearest,
)
from piyard.convert.language.twin import make_block, run_windows
from piyard.convert.language.twin_pass import add_logits, restore_matrix, stored_rows
from piyard.models.transformer_files import EMBEDDING, TensorSource, read_block, read_finite

if TYPE_CHECKING:
    from piyard.convert.language.proof_tokens import ProofTokens
    from piyard.models.language_models import LanguageProof

WIDTHS = (Format(4, 64), Format(6, 64), Format(8, 64))
"""Those tried, the smallest first; the last one is taken without a trial."""
TABLE_DIVERGENCE = 0.02
"""Nats a token that the table may cost where no perplexity means anything."""


def choose_table(
    source: TensorSource, blocks: Format, tokens: ProofTokens, limits: LanguageProof
) -> tuple[Format, list[TableTrial]]:
    """The narrowest within ``limits.table``, and what was tried."""
    ids = [torch.tensor(window) for window in tokens.proof]
    original, *twins = _run_blocks(source, tokens.proof, WIDTHS[:-1])
    trials = []
    for width, twin in zip(WIDTHS, twins, strict=False):
        sums = _compare(source, Formats(blocks, width), ids, original, twin)
        trial = TableTrial(format=width, agreement=sums.result(tokens.text, is_text=tokens.is_text))
        trials.append(trial)
        if is_within(trial.agreement, limits):
            return width, trials
    return WIDTHS[-1], trials


def is_within(agreement: LogitAgreement, limits: LanguageProof) -> bool:
    """Whether a width costs no more than it may."""
    if agreement.is_text:
        return agreement.rise <= limits.table
    return agreement.divergence <= TABLE_DIVERGENCE


def _run_blocks(
    source: TensorSource, proof: Sequence[Sequence[int]], widths: Sequence[Format]
) -> list[list[torch.Tensor]]:
    """What leaves the last block: of the original's rows, then of those each width stores."""
    table = read_finite(source, EMBEDDING)
    runs = [[torch.from_numpy(table[list(window)]) for window in proof]]
    runs += [[stored_rows(table, window, width) for window in proof] for width in widths]
    for layer in range(source.config.layers):
        block = make_block(source.config, read_block(source, layer))
        runs = [run_windows(source.config, block, windows) for windows in runs]
    return runs


def _compare(
    source: TensorSource,
    formats: Formats,
    ids: Sequence[torch.Tensor],
    original: Sequence[torch.Tensor],
    twin: Sequence[torch.Tensor],
) -> AgreementSums:
    part = linear_parts(source.config, formats)[HEAD_LAYER]
    matrix = read_rows(source, part)
    stored = restore_matrix(round_to_nearest(part, matrix), part.format)
    sums = AgreementSums()
    add_logits(sums, source, part, (matrix, stored), ids, original, twin)
    return sums
