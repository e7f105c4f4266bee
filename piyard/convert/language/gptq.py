"""Rounding that looks at the inputs a matrix will have: GPTQ.

Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers": columns are rounded one after the other, and what rounding one has cost is taken off
those that follow, in the proportion in which the inputs let them stand in for it (the inverse of
the inputs' products). Scales are found for a block when its turn comes, as without calibration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from piyard.convert.language.panels import Blocks
from piyard.convert.language.quantise import find_scales

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from piyard.convert.language.formats import Format


DAMPING = 0.01
"""Part of the mean of the diagonal that is added to it, as in the paper."""


def quantise_for_inputs(
    matrix: NDArray[np.float32], products: torch.Tensor, format_: Format
) -> Blocks:
    """The matrix (rows, inputs) as integers; ``products`` is the sum of ``x xᵀ`` over inputs x."""
    weights = torch.from_numpy(matrix.copy())
    inverse = _inverse_factor(products)
    integers, scales, minima = [], [], []
    for first in range(0, matrix.shape[1], format_.block):
        last = min(first + format_.block, matrix.shape[1])
        part = weights[:, first:last]
        scale, minimum = find_scales(part.numpy(), format_)
        steps, lost = _round_columns(part, inverse[first:last, first:last], scale, minimum, format_)
        weights[:, last:] -= lost @ inverse[first:last, last:]
        integers.append(steps)
        scales.append(scale)
        minima += [] if minimum is None else [minimum]
    return Blocks(
        np.concatenate(integers, axis=1),
        np.concatenate(scales, axis=1),
        np.concatenate(minima, axis=1) if minima else None,
    )


def _inverse_factor(products: torch.Tensor) -> torch.Tensor:
    """Upper factor of the inverse of the damped products, in float64."""
    damped = products.double()
    diagonal = damped.diagonal()
    diagonal += DAMPING * float(diagonal.mean()) or 1.0  # inputs that are always 0 count nothing
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    factor: torch.Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor.float()


def _round_columns(
    part: torch.Tensor,
    inverse: torch.Tensor,
    scale: NDArray[np.float16],
    minimum: NDArray[np.float16] | None,
    format_: Format,
) -> tuple[NDArray[np.int8], torch.Tensor]:
    """The integers of a block's columns, and what each has cost over the factor's diagonal."""
    half = 1 << (format_.bits - 1)
    by_row = torch.from_numpy(scale.astype(np.float32))[:, 0]
    divisor = torch.where(by_row == 0, torch.ones_like(by_row), by_row)
    offset = torch.zeros_like(by_row)
    if minimum is not None:
        offset = torch.from_numpy(minimum.astype(np.float32))[:, 0] + half * by_row
    steps = np.empty(part.shape, np.int8)
    lost = torch.empty_like(part)
    for column in range(part.shape[1]):
        values = part[:, column].clone()
        rounded = torch.round((values - offset) / divisor).clamp(-half, half - 1)
        steps[:, column] = rounded.numpy().astype(np.int8)
        lost[:, column] = (values - rounded * by_row - offset) / inverse[column, column]
        part[:, column:] -= torch.outer(lost[:, column], inverse[column, column:])
    return steps, lost
