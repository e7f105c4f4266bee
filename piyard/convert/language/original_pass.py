"""A decoder's original, run for some tokens, beside logits that something else has computed.

Only one block is in memory, however large the model is, and some rows of logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from piyard.convert.language.agreement import AgreementSums
from piyard.convert.language.formats import FORMATS
from piyard.convert.language.fused_graph import HEAD_LAYER, linear_parts, read_rows
from piyard.convert.language.twin import make_block, run_windows
from piyard.convert.language.twin_pass import ROWS_AT_ONCE
from piyard.models.transformer import RmsNorm
from piyard.models.transformer_files import EMBEDDING, TensorSource, read_block, read_finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def compare_with_original(
    source: TensorSource, windows: Sequence[Sequence[int]], logits: Floats
) -> AgreementSums:
    """Logits (tokens, vocabulary) of all windows, one after the other, beside the original's."""
    part = linear_parts(source.config, FORMATS["fp32"])[HEAD_LAYER]
    matrix, norm = torch.from_numpy(read_rows(source, part)).T, RmsNorm(part.inputs, part.eps)
    norm.weight = torch.nn.Parameter(torch.from_numpy(read_finite(source, part.norm)))
    sums, before = AgreementSums(), 0
    for window, hidden in zip(windows, _run_blocks(source, windows), strict=True):
        following = torch.tensor(list(window[1:]))
        for first in range(0, len(window), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            got = logits[before:][: len(window)][rows]
            sums.add(norm(hidden[rows]) @ matrix, torch.tensor(got), following[rows])
        before += len(window)
    return sums


def _run_blocks(source: TensorSource, windows: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """What leaves the last block, of each window."""
    table = read_finite(source, EMBEDDING)
    hidden = [torch.from_numpy(table[list(window)]) for window in windows]
    for layer in range(source.config.layers):
        block = make_block(source.config, read_block(source, layer))
        hidden = run_windows(source.config, block, hidden)
    return hidden
