"""Rounding that looks at inputs loses less of what a matrix computes."""

import numpy as np
import pytest
import torch

from piyard.convert.language.formats import Format
from piyard.convert.language.gptq import quantise_for_inputs
from piyard.convert.language.quantise import dequantise_matrix, quantise_matrix
from piyard.models.synthetic import random_tensor

FORMATS = [Format(4, 32), Format(4, 64), Format(4, 32, affine=True), Format(8, 64)]


def correlated_inputs():
    """Rows whose features go together, some of them far larger than others."""
    mixed = random_tensor((400, 12), 3) @ random_tensor((12, 96), 4)
    rows = mixed + random_tensor((400, 96), 5) / 4
    rows[:, ::9] *= 8
    return rows.astype(np.float32)


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.label)
def test_outputs_are_nearer_than_by_rounding_to_nearest(format_):
    matrix, rows = random_tensor((40, 96), 9), correlated_inputs()
    products = torch.from_numpy(rows.T @ rows)
    calibrated = quantise_for_inputs(matrix, products, format_)
    half = 1 << (format_.bits - 1)
    assert calibrated.integers.shape == matrix.shape
    assert calibrated.integers.min() >= -half
    assert calibrated.integers.max() < half

    def lost(blocks):
        return float(np.square(rows @ (dequantise_matrix(blocks, format_) - matrix).T).sum())

    assert lost(calibrated) < 0.7 * lost(quantise_matrix(matrix, format_))


def test_inputs_that_are_always_zero_do_not_matter():
    matrix, rows = random_tensor((8, 64), 9), random_tensor((100, 64), 3)
    rows[:, 5] = rows[:, 60] = 0
    blocks = quantise_for_inputs(matrix, torch.from_numpy(rows.T @ rows), Format(4, 32))
    assert np.isfinite(dequantise_matrix(blocks, Format(4, 32))).all()


def test_no_inputs_at_all_are_rounding_to_nearest():
    matrix = random_tensor((8, 64), 9)
    blocks = quantise_for_inputs(matrix, torch.zeros(64, 64), Format(4, 32))
    assert np.array_equal(blocks.integers, quantise_matrix(matrix, Format(4, 32)).integers)
