"""int8 pairs as ncnn itself loads and computes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from piyard.compress.ptq.layers import find_chains, quantise_layers
from piyard.compress.ptq.pair import read_weighted_layers, write_weighted_layers
from piyard.compress.ptq.quantise import Quantised, quantise_pair
from piyard.compress.ptq.rounding import round_to_int8, scales_of_rows
from piyard.compress.ptq.settings import PtqSettings
from piyard.compress.ptq.table import Table
from piyard.convert.ncnn_net import load_net, read_layers, run_net
from piyard.convert.param import Layer, count_quantised
from piyard.core.errors import WrongInput
from tests.support.small_nets import (
    convolution,
    depthwise,
    line,
    mobile_block,
    pictures,
    with_weights,
    write_pair,
)

PLAIN = PtqSettings(equalise=False, correct_bias=False, calibration="mse")


def quantised(folder: Path, inputs: list[Any], settings: PtqSettings = PLAIN) -> Quantised:
    pair = (folder / "model.ncnn.param", folder / "model.ncnn.bin")
    return quantise_pair(*pair, lambda: iter(inputs), len(inputs), settings)


def cosine(first: np.ndarray, other: np.ndarray) -> float:
    a, b = first.ravel().astype(float), other.ravel().astype(float)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def outputs(folder: Path, values: tuple[Any, ...]) -> np.ndarray:
    return next(iter(run_net(load_net(folder), *values).values()))


def blob_bits(folder: Path, name: str, values: np.ndarray) -> int:
    """Of a number of that blob, as ncnn holds it."""
    import ncnn

    with load_net(folder).create_extractor() as extractor:
        extractor.input("in0", ncnn.Mat(values))
        code, mat = extractor.extract(name, 1)
        assert code == 0
        return int(mat.elembits())


def test_a_pair_is_written_as_it_was_read(tmp_path: Path) -> None:
    layers = [*mobile_block()[:4], line("PReLU", "bend", "b", "out0", k0=16)]
    weighted = with_weights(layers)
    weighted[-1] = type(weighted[-1])(layer=layers[-1], other=np.ones(16, "<f4").tobytes())
    write_weighted_layers(weighted, tmp_path, "model")
    again = tmp_path / "again"
    again.mkdir()
    pair = (tmp_path / "model.ncnn.param", tmp_path / "model.ncnn.bin")
    write_weighted_layers(read_weighted_layers(*pair), again, "model")
    for name in ("model.ncnn.param", "model.ncnn.bin"):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_convolution_computes_with_integers(tmp_path: Path) -> None:
    """Every output is a whole number times both scales, plus the bias."""
    layers = [line("Input", "in0", "", "in0"), convolution("conv", 3, 8, "in0", "out0")]
    write_pair(tmp_path, layers)
    inputs = pictures(3)
    ours = quantised(tmp_path, inputs)
    (tmp_path / "int8").mkdir()
    ours.write(tmp_path / "int8", ["conv"])
    x, scale = inputs[0][0], ours.table.inputs["conv"]
    rows = ours.exact[1].weight.reshape(8, 3)
    weights = round_to_int8(rows, np.array(scales_of_rows(rows), np.float32)[:, None])
    whole = np.einsum("oc,chw->ohw", weights.astype(int), round_to_int8(x, scale).astype(int))
    per_channel = np.array(ours.table.weights["conv"][0])[:, None, None]
    expected = whole / (per_channel * scale) + ours.exact[1].tensors["bias"].values[:, None, None]
    np.testing.assert_allclose(outputs(tmp_path / "int8", (x,)), expected, rtol=1e-4, atol=1e-5)


@pytest.fixture
def block(tmp_path: Path) -> tuple[Path, Quantised, list[Any]]:
    """A pair in fp32, what it is quantised to, and inputs; the int8 pair is in ``int8``."""
    write_pair(tmp_path, mobile_block())
    inputs = pictures(6)
    ours = quantised(tmp_path, inputs)
    (tmp_path / "int8").mkdir()
    ours.write(tmp_path / "int8", ours.table.layers)
    return tmp_path, ours, inputs


def test_all_layers_of_a_block_are_int8_and_hand_it_on(block) -> None:
    folder, _, inputs = block
    settings = {each.name: each.settings.get("8") for each in read_layers(folder / "int8")}
    assert [settings[name] for name in ("stem", "expand", "depth", "project", "classes")] == [
        *("2", "102", "101", "2", "2"),
    ]
    exact = [outputs(folder, values) for values in inputs]
    rough = [outputs(folder / "int8", values) for values in inputs]
    assert min(map(cosine, exact, rough)) > 0.99
    assert max(map(cosine, exact, rough)) < 1 - 1e-7
    bits = {name: blob_bits(folder / "int8", name, inputs[0][0]) for name in "abcd"}
    assert bits == {"a": 32, "b": 8, "c": 8, "d": 32}
    sizes = [(at / "model.ncnn.bin").stat().st_size for at in (folder, folder / "int8")]
    assert sizes[1] < sizes[0] / 2


def test_chosen_layers_alone_become_int8(block) -> None:
    folder, ours, inputs = block
    (folder / "mixed").mkdir()
    ours.write(folder / "mixed", ["expand", "project"])
    assert count_quantised(read_layers(folder / "mixed")) == 2
    assert cosine(outputs(folder, inputs[0]), outputs(folder / "mixed", inputs[0])) > 0.995


def test_a_copy_that_is_an_output_keeps_floats() -> None:
    layers = [
        line("Input", "in0", "", "in0"),
        convolution("one", 3, 8, "in0", "a"),
        line("Split", "split", "a", "b out1"),
        depthwise("two", 8, "b", "out0"),
    ]
    table = Table(weights={"one": {}, "two": {}}, inputs={"one": 1.0, "two": 2.0})
    assert find_chains(layers, table) == {}
    direct = [layers[0], layers[1], depthwise("two", 8, "a", "out0")]
    assert find_chains(direct, table) == {"one": 2.0}


@pytest.mark.parametrize(("side", "mask"), [(3, "64"), (1, None)])
def test_what_winograd_would_overflow(tmp_path: Path, side: int, mask: str | None) -> None:
    """8 bits with Winograd forbidden."""
    layers = [line("Input", "in0", "", "in0"), convolution("conv", 3, 8, "in0", "out0", side)]
    write_pair(tmp_path, layers)
    ours = quantised(tmp_path, pictures(2))
    conv = ours.layers(["conv"])[1]
    assert conv.layer.settings.get("31") == mask
    assert np.abs(conv.weight.astype(int)).max() == 127


def attention() -> list[Layer]:
    return [
        line("Input", "in0", "", "in0"),
        line("MultiHeadAttention", "mha", "in0", "out0", k0=8, k1=2, k2=64),
    ]


def gemm(**more: object) -> list[Layer]:
    sizes = {"k3": 1, "k5": 1, "k6": 1, "k8": 6, "k9": 8, "k10": 4}
    return [line("Input", "in0", "", "in0"), line("Gemm", "gemm", "in0", "out0", **sizes, **more)]


def constant_product(trans: int) -> list[Layer]:
    """A and B are constant, C comes."""
    sizes = {"k2": trans, "k3": 1, "k4": 1, "k5": 1, "k7": 4, "k8": 6, "k9": 8}
    return [line("Input", "in0", "", "in0"), line("Gemm", "gemm", "in0", "out0", **sizes)]


@pytest.mark.parametrize("layers", [attention(), gemm()], ids=["attention", "gemm"])
def test_matrices_scale_what_comes_as_it_comes(tmp_path: Path, layers) -> None:
    write_pair(tmp_path, layers)
    inputs = pictures(2, (5, 8))
    ours = quantised(tmp_path, inputs)
    (tmp_path / "int8").mkdir()
    ours.write(tmp_path / "int8", ours.table.layers)
    assert count_quantised(read_layers(tmp_path / "int8")) == 1
    both = [outputs(at, inputs[0]) for at in (tmp_path, tmp_path / "int8")]
    assert 0.99 < cosine(*both) < 1 - 1e-7


@pytest.mark.parametrize("trans", [0, 1])
def test_a_product_of_two_constants(tmp_path: Path, trans: int) -> None:
    write_pair(tmp_path, constant_product(trans))
    inputs = pictures(1, (4, 6))
    ours = quantised(tmp_path, inputs)
    (tmp_path / "int8").mkdir()
    ours.write(tmp_path / "int8", ours.table.layers)
    assert {n: len(scales) for n, scales in ours.table.weights["gemm"].items()} == {0: 4, 1: 1}
    both = [outputs(at, inputs[0]) for at in (tmp_path, tmp_path / "int8")]
    assert 0.99 < cosine(*both) < 1 - 1e-7


def test_a_table_of_words(tmp_path: Path) -> None:
    layers = [line("Embed", "words", "", "out0", k0=4, k1=10, k2=1, k3=40)]
    (words,) = with_weights(layers)
    (table,) = quantise_layers([words], Table(weights={"words": {0: [50.0]}}))
    assert table.layer.settings["18"] == "2"
    assert table.weight.dtype == np.int8
    np.testing.assert_array_equal(table.weight, round_to_int8(words.weight, 50.0))
    assert [*table.tensors] == ["weight", "bias", "weight scales 0"]


def test_the_table_of_another_network_is_refused() -> None:
    layers = with_weights(mobile_block())
    with pytest.raises(WrongInput, match="'other', which is not a layer"):
        quantise_layers(layers, Table(weights={"other": {0: [1.0]}}))
    with pytest.raises(WrongInput, match="another number of scales than 'expand'"):
        quantise_layers(layers, Table(weights={"expand": {0: [1.0]}}, inputs={"expand": 1.0}))
    with pytest.raises(WrongInput, match="no scale for what 'expand' reads"):
        quantise_layers(layers, Table(weights={"expand": {0: [1.0] * 16}}))


def test_what_cannot_be_quantised_says_so(block) -> None:
    folder, _, inputs = block
    with pytest.raises(WrongInput, match=r"quantised already \(5 layers\)"):
        quantised(folder / "int8", inputs)
    with pytest.raises(WrongInput, match="no picture to calibrate with"):
        quantised(folder, [])
    broken = [(np.full((3, 12, 12), np.nan, np.float32),)]
    with pytest.raises(WrongInput, match="no finite numbers at 'in0'"):
        quantised(folder, broken)
    write_pair(folder / "bare", [line("Input", "in0", "", "in0"), line("ReLU", "r", "in0", "out0")])
    with pytest.raises(WrongInput, match="no layer that ncnn has in int8"):
        quantised(folder / "bare", inputs)
