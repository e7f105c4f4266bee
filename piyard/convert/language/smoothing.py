"""A decoder whose matrices of integers get inputs of like sizes, and which computes the same.

Some features are many times as large as others, and inputs that share a scale with them lose most
of their bits. So each feature is divided where it is made, in the norm before a matrix or in
the rows of ``up_proj``, and the matrix's column multiplied (Xiao et al. 2022, "SmoothQuant", whose
middle way is taken: the square root of what the inputs and the weights of a column reach). Factors
are powers of two, which floats take without rounding: in fp32 the decoder is the same to the bit.

Nothing is done to what attention makes, whose features are alike, nor to an output that is the
embedding too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from piyard.convert.language.twin import make_block, run_windows
from piyard.models.transformer_files import EMBEDDING, TensorSource, read_block, read_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from piyard.convert.language.formats import Formats
    from piyard.models.architectures.transformer import DecoderBlock

    Floats = NDArray[np.float32]
    Peaks = dict[str, torch.Tensor]


SMOOTHED = {
    "self_attn.q_proj": (
        "input_layernorm",
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ),
    "mlp.gate_proj": ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj")),
    "mlp.down_proj": ("mlp.up_proj", ("mlp.down_proj",)),
}
"""A matrix → what makes its inputs, and all matrices that get them."""
SMOOTHED_BITS = 8
"""Of matrices that lose less than their inputs do; those of 4 bits stay as a file has them."""
SMALLEST_PEAK = 2.0**-10
"""Of the largest: what is smaller counts as that, or a feature that never is would decide."""


class SmoothedSource:
    """A source some of whose tensors are multiplied: (rows,), or as (1, columns) of a matrix."""

    def __init__(self, source: TensorSource, factors: Mapping[str, Sequence[Floats]]) -> None:
        self.source, self.factors = source, factors
        self.config, self.path = source.config, source.path

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of each tensor there is."""
        return self.source.shapes

    def read(self, name: str) -> Floats:
        """A tensor's values in float32."""
        values = self.source.read(name)
        for factor in self.factors.get(name, ()):
            values = values * factor
        return values


def smooth_for(
    source: TensorSource, formats: Formats, windows: Sequence[Sequence[int]]
) -> TensorSource:
    """The source as its matrices are stored in those formats: smoothed for 8 bits."""
    return smooth(source, windows) if formats.blocks.bits == SMOOTHED_BITS else source


def smooth(source: TensorSource, windows: Sequence[Sequence[int]]) -> SmoothedSource:
    """By what the matrices' inputs reach while the original reads these tokens."""
    table = read_finite(source, EMBEDDING)
    hidden = [torch.from_numpy(table[list(window)]) for window in windows]
    factors: dict[str, list[Floats]] = {}
    for layer in range(source.config.layers):
        weights = read_block(source, layer)
        block = make_block(source.config, weights)
        peaks = _watch_inputs(block)
        hidden = run_windows(source.config, block, hidden)
        _add_factors(factors, f"model.layers.{layer}.", weights, peaks)
    return SmoothedSource(source, factors)


def _watch_inputs(block: DecoderBlock) -> Peaks:
    """The largest magnitude of each feature that enters; filled while the block runs."""
    peaks: Peaks = {}

    def watch(name: str) -> None:
        def look(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            largest = inputs[0].reshape(-1, inputs[0].shape[-1]).abs().amax(0)
            peaks[name] = torch.maximum(peaks.get(name, largest), largest)

        block.get_submodule(name).register_forward_pre_hook(look)

    for name in SMOOTHED:
        watch(name)
    return peaks


def _add_factors(
    factors: dict[str, list[Floats]], prefix: str, weights: Mapping[str, torch.Tensor], peaks: Peaks
) -> None:
    for name, (maker, parts) in SMOOTHED.items():
        columns = torch.cat([weights[f"{part}.weight"] for part in parts]).abs().amax(0)
        factor = column_factors(peaks[name].numpy(), columns.numpy())
        for part in parts:
            factors.setdefault(f"{prefix}{part}.weight", []).append(factor[None])
        matrix = weights[f"{maker}.weight"]
        share = np.reciprocal(factor).reshape(-1, *[1] * (matrix.dim() - 1))
        factors.setdefault(f"{prefix}{maker}.weight", []).append(share)


def column_factors(inputs: Floats, weights: Floats) -> Floats:
    """Powers of two for a matrix's columns, by what each column's inputs and weights reach."""
    largest = [np.maximum(part, SMALLEST_PEAK * part.max()) for part in (inputs, weights)]
    if not all(part.max() > 0 for part in largest):
        return np.ones(len(inputs), np.float32)
    exponents = np.rint((np.log2(largest[0]) - np.log2(largest[1])) / 2)
    factors: Floats = np.exp2(exponents - np.median(exponents).round()).astype(np.float32)
    return factors
