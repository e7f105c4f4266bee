"""Weights as integers with scales: what they stand for, and how little is lost."""

import numpy as np
import pytest

from piyard.convert.language.formats import FORMATS, Format, find_formats
from piyard.convert.language.panels import LinearShape
from piyard.convert.language.quantise import dequantise_matrix, quantise_matrix, relative_error
from piyard.core.errors import WrongInput
from piyard.models.synthetic import random_tensor
from tests.support.own_layers import dequantised

EVERY = [
    Format(bits, block, affine)
    for bits in (4, 6, 8)
    for block in (32, 64, 128)
    for affine in (False, True)
]


def bell(shape, seed=3):
    """Sums of even numbers: near to a normal distribution, with a few large values."""
    values = np.sum([random_tensor(shape, seed + part) for part in range(12)], axis=0) / 2
    values.reshape(-1)[::997] *= 6
    return values.astype(np.float32)


@pytest.mark.parametrize("format_", EVERY, ids=lambda each: each.label)
def test_integers_stand_for_what_kernels_compute(format_):
    matrix = bell((24, 200))
    blocks = quantise_matrix(matrix, format_)
    half = 1 << (format_.bits - 1)
    assert blocks.integers.shape == matrix.shape
    assert blocks.scales.shape == (24, -(-200 // format_.block))
    assert blocks.integers.min() >= -half
    assert blocks.integers.max() < half
    shape = LinearShape(
        outputs=24, inputs=200, bits=format_.bits, block=format_.block, affine=format_.affine
    )
    rounded = dequantise_matrix(blocks, format_)
    assert np.array_equal(rounded, dequantised(shape, blocks))
    assert relative_error(matrix, rounded) < {4: 0.2, 6: 0.04, 8: 0.01}[format_.bits]


@pytest.mark.parametrize("bits", [4, 6])
def test_clipping_loses_less_than_the_largest_magnitude_alone(bits):
    matrix = bell((64, 512))
    peaks = np.abs(matrix.reshape(64, -1, 64)).max(2, keepdims=True)
    scale = peaks / ((1 << (bits - 1)) - 1)
    plain = (np.rint(matrix.reshape(64, -1, 64) / scale) * scale).reshape(matrix.shape)
    format_ = Format(bits, 64)
    clipped = dequantise_matrix(quantise_matrix(matrix, format_), format_)
    assert relative_error(matrix, clipped) < 0.95 * relative_error(matrix, plain)


def test_what_was_rounded_before_stays_as_it_is():
    """GGUF's Q4_1 is int4 by 32 with minima."""
    format_ = Format(4, 32, affine=True)
    scales = np.float16(0.01) * (1 + np.arange(8, dtype=np.float16)).reshape(2, 4)
    steps = (random_tensor((2, 4, 32), 5) * 8 + 8).astype(np.int32).clip(0, 15)
    steps[..., 0], steps[..., 1] = 0, 15
    matrix = steps * scales.astype(np.float32)[..., None] - np.float32(0.0625)
    matrix = matrix.reshape(2, 128).astype(np.float32)
    rounded = dequantise_matrix(quantise_matrix(matrix, format_), format_)
    assert np.allclose(rounded, matrix, atol=2e-4)


@pytest.mark.parametrize("format_", EVERY, ids=lambda each: each.label)
@pytest.mark.parametrize("value", [0.0, 0.25, -3.0])
def test_rows_of_a_single_value_keep_it(format_, value):
    matrix = np.full((3, 70), value, np.float32)
    rounded = dequantise_matrix(quantise_matrix(matrix, format_), format_)
    assert np.allclose(rounded, matrix, rtol=1e-3, atol=0)


def test_an_unknown_precision_is_refused():
    assert find_formats("int4") is FORMATS["int4"]
    with pytest.raises(WrongInput, match="did you mean 'int8'"):
        find_formats("int-8")
