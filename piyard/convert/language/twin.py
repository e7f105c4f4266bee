"""A block as nnrun computes it, in torch: rounded weights, and inputs rounded where it rounds them.

nnrun rounds what enters a matrix of integers to int8, a scale for each row and block of inputs
(runner/src/kernels). With it the cost of a precision is known before any board is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

from piyard.models.architectures.transformer import DecoderBlock, block_inputs

if TYPE_CHECKING:
    from piyard.convert.language.formats import Format
    from piyard.language.config import TransformerConfig

    Inputs = tuple[torch.Tensor, ...]
    Hook = Callable[[torch.nn.Module, Inputs], Inputs]


LARGEST_INPUT = 127


def make_block(
    config: TransformerConfig, weights: Mapping[str, torch.Tensor], format_: Format | None = None
) -> DecoderBlock:
    """A block with these weights; with a format of integers its matrices round what they get."""
    with torch.device("meta"):
        block = DecoderBlock(config)
    block.load_state_dict(dict(weights), assign=True)
    if format_ is not None and format_.is_integer:
        for module in block.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_pre_hook(_rounding(format_.block))
    return block.eval()


def _rounding(block: int) -> Hook:
    def round_input(_module: torch.nn.Module, inputs: Inputs) -> Inputs:
        return (round_rows(inputs[0], block), *inputs[1:])

    return round_input


def round_rows(rows: torch.Tensor, block: int) -> torch.Tensor:
    """The rows (…, inputs) as the integer kernels see them."""
    width = rows.shape[-1]
    padded = torch.nn.functional.pad(rows, (0, -width % block))
    blocks = padded.reshape(*rows.shape[:-1], -1, block)
    peaks = blocks.abs().amax(-1, keepdim=True)
    steps = torch.where(peaks > 0, LARGEST_INPUT / peaks, torch.zeros_like(peaks))
    rounded = torch.round(blocks * steps) * (peaks / LARGEST_INPUT)
    return rounded.reshape(padded.shape)[..., :width]


def run_windows(
    config: TransformerConfig, block: DecoderBlock, windows: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Each window (tokens, hidden) through the block, knowing nothing of the others."""
    return [block(rows[None], *block_inputs(config, len(rows)))[0] for rows in windows]
