"""LinearQ, nnrun's own layer of weights: every format, shape and addition, beside numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from piyard.convert.language.panels import (
    COLUMNS,
    Blocks,
    LinearShape,
    LinearWeights,
    linear_section,
    pack_integers,
    unpack_integers,
)
from tests.runner.nets import Floats, Net, values_of
from tests.runner.outcome import Outcome, Run, assert_refused
from tests.support import own_layers

PLAIN = LinearShape(outputs=24, inputs=64)
FLOATS = [replace(PLAIN, bits=bits) for bits in (32, 16)]


def net_of(shape: LinearShape, weights: LinearWeights, *, residual: bool = False) -> Net:
    """The layer between its inputs and out0."""
    net = Net().add("Input", "in0")
    if residual:
        net.add("Input", "in1", bottoms=[])
    net.add("LinearQ", "out0", shape.params, bottoms=["in0", "in1"] if residual else ["in0"])
    net.weights += linear_section(shape, weights, len(net.weights))
    return net


def computed(nnrun: Run, folder: Path, net: Net, *inputs: Floats) -> Floats:
    """What nnrun makes of the inputs; flat."""
    paths = [folder / f"{index}.npy" for index in range(len(inputs))]
    for path, values in zip(paths, inputs, strict=True):
        np.save(path, values.astype(np.float32))
    flags = net.write(folder)
    done = nnrun("compute", *flags, "--precision", "fp32", "--save-outputs", folder, *paths)
    assert done.code == 0, done.stderr
    return values_of(folder / "0.0.out0.f32")


def check(
    nnrun: Run, folder: Path, shape: LinearShape, rows: int, *, residual: bool = False
) -> None:
    """nnrun's values are numpy's, but for the rounding of floats."""
    rng = np.random.default_rng(3)
    weights = own_layers.made_weights(shape, rng)
    x = rng.normal(0, 1, (rows, shape.inputs)).astype(np.float32)
    added = rng.normal(0, 1, (rows, shape.outputs)).astype(np.float32) if residual else None
    expected = own_layers.linear(shape, weights, x, added)
    net = net_of(shape, weights, residual=residual)
    actual = computed(nnrun, folder, net, *([x] if added is None else [x, added]))
    np.testing.assert_allclose(actual.reshape(rows, -1), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("shape", FLOATS, ids=lambda shape: f"{shape.bits}")
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 70])
def test_rows(nnrun: Run, tmp_path: Path, shape: LinearShape, rows: int) -> None:
    check(nnrun, tmp_path, shape, rows)


INTEGERS = [
    replace(PLAIN, outputs=20, inputs=inputs, bits=bits, block=block, affine=affine)
    for inputs, block in ((96, 32), (130, 64), (260, 128))
    for bits in (8, 6, 4)
    for affine in (False, True)
]


def named(shape: LinearShape) -> str:
    """Of a test."""
    return f"{shape.bits}-{shape.block}{'-affine' if shape.affine else ''}"


@pytest.mark.parametrize("shape", INTEGERS, ids=named)
def test_integers_are_packed_and_unpacked(shape: LinearShape) -> None:
    for each in (shape, replace(shape, gate=True)):
        weights = own_layers.made_weights(each, np.random.default_rng(3)).matrix
        assert isinstance(weights, Blocks)
        packed = pack_integers(each, weights.integers)
        assert packed.nbytes == each.panels * COLUMNS * each.depth * each.bits // 8
        np.testing.assert_array_equal(unpack_integers(each, packed), weights.integers)


@pytest.mark.parametrize("shape", INTEGERS, ids=named)
@pytest.mark.parametrize("rows", [1, 2, 3, 8, 21])
def test_integers(nnrun: Run, tmp_path: Path, shape: LinearShape, rows: int) -> None:
    check(nnrun, tmp_path, shape, rows)


ADDITIONS = {
    "bias": replace(PLAIN, bias=True),
    "rms": replace(PLAIN, norm="rms", eps=1e-5),
    "layer": replace(PLAIN, norm="layer", eps=1e-5),
    "gate": replace(PLAIN, gate=True, outputs=20),
    "gate and bias": replace(PLAIN, gate=True, bias=True, norm="rms", eps=1e-6),
    "gate of integers": replace(PLAIN, gate=True, outputs=20, bits=4, block=32, norm="rms"),
    "outputs no multiple of a panel": replace(PLAIN, outputs=13, bias=True),
    "inputs no multiple of four": replace(PLAIN, inputs=31, norm="layer", eps=1e-5),
    "one of each": replace(PLAIN, outputs=1, inputs=1),
    **{name: replace(PLAIN, activation=name) for name in own_layers.ACTIVATIONS},
}


@pytest.mark.parametrize("name", ADDITIONS)
def test_additions(nnrun: Run, tmp_path: Path, name: str) -> None:
    check(nnrun, tmp_path, ADDITIONS[name], rows=3)


@pytest.mark.parametrize("rows", [1, 5, 9])
@pytest.mark.parametrize("gate", [False, True])
def test_more_panels_than_are_computed_at_once(
    nnrun: Run, tmp_path: Path, rows: int, *, gate: bool
) -> None:
    """The last of them has columns for five outputs."""
    shape = replace(PLAIN, outputs=8 * 600 + 5, gate=gate, bits=8, block=64)
    check(nnrun, tmp_path, shape, rows, residual=not gate)


@pytest.mark.parametrize("rows", [1, 5])
def test_a_second_input_is_added(nnrun: Run, tmp_path: Path, rows: int) -> None:
    check(nnrun, tmp_path, replace(PLAIN, outputs=13, activation="gelu"), rows, residual=True)


def test_one_row_without_an_axis_of_its_own(nnrun: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    weights = own_layers.made_weights(PLAIN, rng)
    x = rng.normal(0, 1, PLAIN.inputs).astype(np.float32)
    actual = computed(nnrun, tmp_path, net_of(PLAIN, weights), x)
    expected = own_layers.linear(PLAIN, weights, x[None])[0]
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)


REFUSED = {
    "0=0": "produces 0 values",
    "1=0": "takes 0 values",
    "0=-3": "produces -3 values",
    "0=2147483647": "produces 2147483647 values",
    "0=16777216 1=1048576": "more weights than can be addressed",
    "2=5": "weights of 5 bits",
    "2=4 3=48": "blocks of 48",
    "2=8": "blocks of 0",
    "2=16 3=32": "floats, which have no blocks",
    "5=1": "floats, which have no blocks and no minima",
    "4=2": "bias parameter of 2",
    "6=3": "has norm 3",
    "7=2.0": "epsilon",
    "8=1 9=1": "a gate and an activation",
    "9=5": "has activation 5",
}


@pytest.mark.parametrize("params", REFUSED)
def test_parameters_that_make_no_layer_are_refused(nnrun: Run, tmp_path: Path, params: str) -> None:
    inputs = dict(word.split("=") for word in f"0=8 1=8 {params}".split())
    line = " ".join(f"{key}={value}" for key, value in inputs.items())
    flags = Net().add("Input", "in0").add("LinearQ", "out0", line).write(tmp_path)
    np.save(tmp_path / "x.npy", np.zeros(8, np.float32))
    done = nnrun("compute", *flags, "--save-outputs", tmp_path, tmp_path / "x.npy")
    assert_refused(done, 3, "net.param", "layer out0 (LinearQ)", REFUSED[params])


def make(shape: LinearShape = PLAIN) -> Net:
    """A net of the shape."""
    return net_of(shape, own_layers.made_weights(shape, np.random.default_rng(3)))


def refusal(nnrun: Run, folder: Path, net: Net, *shapes: tuple[int, ...]) -> Outcome:
    """What nnrun says to zeros of these shapes."""
    paths = [folder / f"{index}.npy" for index in range(len(shapes))]
    for path, size in zip(paths, shapes, strict=True):
        np.save(path, np.zeros(size, np.float32))
    return nnrun("compute", *net.write(folder), "--save-outputs", folder, *paths)


@pytest.mark.parametrize("kept", [0, 3, 64, 100, -64])
def test_a_truncated_bin_is_refused(nnrun: Run, tmp_path: Path, kept: int) -> None:
    net = make()
    net.weights = net.weights[:kept]
    assert_refused(refusal(nnrun, tmp_path, net, (64,)), 3, "net.bin", "truncated")


def test_the_weights_of_another_layer_are_refused(nnrun: Run, tmp_path: Path) -> None:
    net = make()
    net.weights = b"nnq0" + net.weights[4:]
    assert_refused(refusal(nnrun, tmp_path, net, (64,)), 3, "net.bin", "another .param")


@pytest.mark.parametrize("size", [(63,), (2, 65), (1, 2, 64)])
def test_an_input_that_does_not_fit_is_refused(nnrun: Run, tmp_path: Path, size) -> None:
    assert refusal(nnrun, tmp_path, make(), size).code == 4


@pytest.mark.parametrize("size", [(2, 23), (3, 24), (24,)])
def test_what_cannot_be_added_is_refused(nnrun: Run, tmp_path: Path, size) -> None:
    weights = own_layers.made_weights(PLAIN, np.random.default_rng(3))
    net = net_of(PLAIN, weights, residual=True)
    assert refusal(nnrun, tmp_path, net, (2, 64), size).code == 4
