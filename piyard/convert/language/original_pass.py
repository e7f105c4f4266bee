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
from piyard.models.architectures.transformer import RmsNorm
from piyard.models.transformer_files import EMBEDDING, TensorSource, read_block, read_finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def compare_with_original(
    source: TensorSource, windows: Sequence[Sequence[int]], logits: Floats
) -> AgreementSums:
    """Logits (tokens, vocabulary) of all windows, one after the other, beside the original's."""
    table = read_finite(source, EMBEDDING)
    rows = [torch.from_numpy(table[list(window)]) for window in windows]
    sums, before = AgreementSums(), 0
    for window, hidden in zip(windows, _run_blocks(source, rows), strict=True):
        _add_places(sums, source, hidden, logits[before:][: len(window)], window)
        before += len(window)
    return sums


def compare_behind_picture(
    source: TensorSource, window: Sequence[int], picture: Floats, logits: Floats
) -> AgreementSums:
    """The same behind a picture in one window, whose rows are the original's."""
    pictures = source.config.pictures
    at = torch.tensor([pictures is not None and token == pictures.token for token in window])
    rows = torch.from_numpy(read_finite(source, EMBEDDING)[list(window)])
    rows[at] = torch.from_numpy(picture)
    (hidden,) = _run_blocks(source, [rows])
    sums, first = AgreementSums(), int(at.nonzero().max())
    _add_places(sums, source, hidden[first:], logits[first:], window[first:])
    return sums


def _add_places(
    sums: AgreementSums,
    source: TensorSource,
    hidden: torch.Tensor,
    logits: Floats,
    window: Sequence[int],
) -> None:
    part = linear_parts(source.config, FORMATS["fp32"])[HEAD_LAYER]
    matrix, norm = torch.from_numpy(read_rows(source, part)).T, RmsNorm(part.inputs, part.eps)
    norm.weight = torch.nn.Parameter(torch.from_numpy(read_finite(source, part.norm)))
    following = torch.tensor(list(window[1:]))
    for first in range(0, len(window), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        sums.add(norm(hidden[rows]) @ matrix, torch.tensor(logits[rows]), following[rows])


def _run_blocks(source: TensorSource, hidden: list[torch.Tensor]) -> list[torch.Tensor]:
    """What leaves the last block, of each window's rows."""
    for layer in range(source.config.layers):
        block = make_block(source.config, read_block(source, layer))
        hidden = run_windows(source.config, block, hidden)
    return hidden
