"""nnrun's own layers on an emulated A76 and A53: both kernels compute the same.

The A76 has dot products of int8 and arithmetic in fp16, the A53 has neither and takes the portable
kernels. Whole numbers whose sums fit into a float leave no room for rounding.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from piyard.build.builder import Build
from piyard.convert.language.panels import (
    Blocks,
    LinearShape,
    LinearWeights,
    attention_section,
    linear_section,
)
from tests.runner.nets import Floats, Net, values_of
from tests.runner.outcome import Outcome, Run
from tests.support import own_layers
from tests.support.own_layers import AttentionShape
from tests.support.tiny_language import Decoder

pytestmark = pytest.mark.docker

WITH_DOT_PRODUCTS, WITHOUT = "cortex-a76", "cortex-a53"
INPUTS, OUTPUTS = 256, 20
SHAPES = [
    LinearShape(outputs=OUTPUTS, inputs=INPUTS, bits=bits, block=block, affine=affine)
    for bits in (4, 6, 8)
    for block in (32, 64, 128)
    for affine in (False, True)
]
STEP = 2.0**-6


def on_cpu(build: Build, cpu: str) -> Run:
    """The boards' program on that CPU."""

    def run(*args: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> Outcome:
        words = [str(build.nnrun), *map(str, args)]
        there = os.environ | {"QEMU_CPU": cpu} | (env or {})
        done = subprocess.run(
            words, capture_output=True, timeout=120, check=False, cwd=cwd, env=there
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="module", params=[WITH_DOT_PRODUCTS, WITHOUT])
def arm(request: pytest.FixtureRequest, rpi5_build: Build) -> Run:
    return on_cpu(rpi5_build, request.param)


def compute(nnrun: Run, folder: Path, net: Net, x: Floats, count: int) -> list[Floats]:
    """The outputs, in the order of the net."""
    np.save(folder / "x.npy", x.astype(np.float32))
    flags = [*net.write(folder), "--precision", "fp32", "--save-outputs", folder]
    done = nnrun("compute", *flags, folder / "x.npy")
    assert done.code == 0, done.stderr
    files = [folder / f"0.{index}.out{index}.f32" for index in range(count)]
    return [values_of(file).reshape(len(x), -1) for file in files]


def net_of(weights: list[LinearWeights]) -> Net:
    """A layer of each shape, all of the same input."""
    tops = " ".join(f"x{index}" for index in range(len(SHAPES)))
    net = Net().add("Input", "in0").add("Split", tops)
    for index, (shape, each) in enumerate(zip(SHAPES, weights, strict=True)):
        net.add("LinearQ", f"out{index}", shape.params, bottoms=[f"x{index}"])
        net.weights += linear_section(shape, each, len(net.weights))
    return net


def whole_rows(rng: np.random.Generator, count: int) -> Floats:
    """Whole numbers whose largest in every block is 127: rounded to int8 they stay themselves."""
    rows = rng.integers(-126, 127, (count, INPUTS)).astype(np.float32)
    rows[:, ::32] = 127
    return rows


def whole_weights(shape: LinearShape, rng: np.random.Generator) -> LinearWeights:
    """Integers with scales, and minima, that are a power of two."""
    half = 1 << (shape.bits - 1)
    integers = rng.integers(-half, half, (OUTPUTS, INPUTS)).astype(np.int8)
    scales = np.full((OUTPUTS, shape.blocks), STEP, np.float16)
    minima = np.full_like(scales, -3 * STEP) if shape.affine else None
    return LinearWeights(matrix=Blocks(integers, scales, minima))


def exact_product(shape: LinearShape, weights: LinearWeights, rows: Floats) -> Floats:
    """In whole numbers."""
    assert isinstance(weights.matrix, Blocks)
    matrix = weights.matrix.integers.astype(np.int64)
    if shape.affine:
        matrix = matrix + (1 << (shape.bits - 1)) - 3
    product: Floats = (rows.astype(np.int64) @ matrix.T).astype(np.float32) * np.float32(STEP)
    return product


@pytest.mark.parametrize("rows", [1, 5, 24])
def test_whole_numbers_are_multiplied_exactly(arm: Run, tmp_path: Path, rows: int) -> None:
    rng = np.random.default_rng(11)
    x = whole_rows(rng, rows)
    weights = [whole_weights(shape, rng) for shape in SHAPES]
    outputs = compute(arm, tmp_path, net_of(weights), x, len(SHAPES))
    for shape, each, output in zip(SHAPES, weights, outputs, strict=True):
        np.testing.assert_array_equal(output, exact_product(shape, each, x), str(shape))


def test_both_kernels_round_to_the_same_integers(rpi5_build: Build, tmp_path: Path) -> None:
    """Another integer would be off by a step of the row, some thousand times as much."""
    rng = np.random.default_rng(12)
    x = rng.normal(0, 1, (9, INPUTS)).astype(np.float32)
    net = net_of([own_layers.made_weights(shape, rng) for shape in SHAPES])
    several = [
        compute(on_cpu(rpi5_build, cpu), tmp_path, net, x, len(SHAPES))
        for cpu in (WITH_DOT_PRODUCTS, WITHOUT)
    ]
    for with_dot_products, without in zip(*several, strict=True):
        np.testing.assert_allclose(with_dot_products, without, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 24])
def test_halves_are_multiplied_exactly_where_no_sum_is_rounded(
    arm: Run, tmp_path: Path, rows: int
) -> None:
    """Small whole numbers, for every shape of a tile, with inputs beyond the last whole chunk."""
    rng = np.random.default_rng(14)
    shape = LinearShape(outputs=44, inputs=100, bits=16)
    matrix, x = (rng.integers(-3, 4, (count, 100)).astype(np.float32) for count in (44, rows))
    weights = linear_section(shape, LinearWeights(matrix=matrix), 0)
    net = Net(weights=weights).add("Input", "in0")
    net.add("LinearQ", "out0", shape.params)
    (output,) = compute(arm, tmp_path, net, x, 1)
    np.testing.assert_array_equal(output, x @ matrix.T)


def test_attention_is_numpys(arm: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(13)
    shape = AttentionShape(heads=6, kv_heads=2, size=16, scale=0.25, rotary=16)
    frequencies = (100.0 ** (-np.arange(8) / 8)).astype(np.float32)
    rows = rng.normal(0, 1, (21, shape.inputs)).astype(np.float32)
    net = Net(weights=attention_section(0, frequencies)).add("Input", "in0")
    net.add("Attention", "out0", shape.params)
    (output,) = compute(arm, tmp_path, net, rows, 1)
    expected = own_layers.attention(shape, rows, frequencies, None)
    np.testing.assert_allclose(output, expected, rtol=5e-5, atol=5e-5)


@pytest.mark.parametrize("cache", ["fp32", "int8"])
def test_a_cache_gives_the_same_on_both(rpi5_build: Build, tmp_path: Path, cache: str) -> None:
    tokens = np.random.default_rng(1).integers(0, 96, 40)
    np.save(tmp_path / "tokens.npy", tokens.astype("<i4"))
    flags = [*Decoder().write(tmp_path), "--tokens", tmp_path / "tokens.npy", "--cache", cache]
    with_dot_products, without = (
        [
            line["log_probability"]
            for line in on_cpu(rpi5_build, cpu)("score", *flags, "--steps", "1").of("score")
        ]
        for cpu in (WITH_DOT_PRODUCTS, WITHOUT)
    )
    assert len(without) == 39
    np.testing.assert_allclose(with_dot_products, without, atol=1e-4)
