"""Scales: how they are found, and kept in ncnn's table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from piyard.compress.method import CALIBRATIONS
from piyard.compress.ptq.bias import correct_biases
from piyard.compress.ptq.calibration import Gathering, observe
from piyard.compress.ptq.cosine_search import move_scales
from piyard.compress.ptq.equalise import MOST, equalise_channels
from piyard.compress.ptq.groups import find_groups
from piyard.compress.ptq.pair import WeightedLayer, write_weighted_layers
from piyard.compress.ptq.quantise import make_table
from piyard.compress.ptq.rounding import round_to_int8, scales_of_rows, snap
from piyard.compress.ptq.settings import PtqSettings
from piyard.compress.ptq.table import Table, format_table, read_table
from piyard.compress.ptq.thresholds import BINS, Spread, find_threshold
from piyard.convert.ncnn_net import load_net, run_all_blobs
from piyard.core.errors import WrongInput
from tests.support.small_nets import (
    RELU6,
    convolution,
    line,
    mobile_block,
    pictures,
    with_weights,
)


def spread_of(values: np.ndarray) -> Spread:
    gathering = Gathering()
    gathering.add(values.astype(np.float32).reshape(1, -1))
    return gathering.spread()


NORMAL = np.random.default_rng(3).normal(0, 1, 200_000)


def test_halves_are_rounded_away_from_zero() -> None:
    values = np.array([0.5, -0.5, 1.49, 2.5, -2.5, 126.6, 300, -300], np.float32)
    assert round_to_int8(values, 1).tolist() == [1, -1, 1, 3, -3, 127, 127, -127]
    assert snap(np.array([0.26], np.float32), 4.0).tolist() == [0.25]


def test_a_row_of_zeros_has_a_scale_too() -> None:
    assert scales_of_rows(np.array([[0, 0], [-0.5, 0.25]], np.float32)) == [1.0, 254.0]


def test_percentile_leaves_out_one_in_ten_thousand() -> None:
    values = np.concatenate([np.full(99_995, 1.0), np.full(5, 100.0)])
    assert find_threshold(spread_of(values), "percentile") == pytest.approx(1, abs=100 / BINS)


def test_mean_squared_error_cuts_a_normal_distribution_near_four_deviations() -> None:
    """3.9 is where 8 bits are best (Banner et al.)."""
    assert 3.5 < find_threshold(spread_of(NORMAL), "mse") < 4.3 < np.abs(NORMAL).max()


def test_aciq_estimates_the_deviation_from_the_range() -> None:
    assert find_threshold(spread_of(NORMAL), "aciq") < np.abs(NORMAL).max()


def test_divergence_keeps_an_even_spread_and_cuts_an_outlier() -> None:
    even = np.linspace(-1, 1, 50_001)
    assert find_threshold(spread_of(even), "kl") > 0.9
    assert find_threshold(spread_of(np.append(NORMAL, 60.0)), "kl") < 30


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_nothing_but_zeros_has_no_threshold(calibration) -> None:
    assert find_threshold(spread_of(np.zeros(10)), calibration) == 0


def test_a_range_that_grows_loses_no_value() -> None:
    gathering = Gathering()
    for peak in (0.1, 1.0, 7.3):
        gathering.add(np.linspace(-peak, peak, 1000, dtype=np.float32).reshape(2, 500))
    spread = gathering.spread()
    assert spread.peak == pytest.approx(7.3)
    assert spread.counts.sum() == 3000
    assert gathering.peaks.tolist() == pytest.approx([7.3, 7.3])
    assert spread.counts[: BINS // 73].sum() >= 1000  # all of the smallest range


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = Table(
        weights={"conv_1": {0: [1 / 3, 2.5e-7]}, "mha": {0: [1.0], 3: [4.0]}},
        inputs={"conv_1": 17.123456},
    )
    file = tmp_path / "net.table"
    file.write_text("# left out\n\n" + format_table(table))
    again = read_table(file)
    assert again.weights["conv_1"][0] == pytest.approx([1 / 3, 2.5e-7], rel=1e-8)
    assert again.weights["mha"] == {0: [1.0], 3: [4.0]}
    assert format_table(again) == format_table(table)
    assert again.only(["mha"]) == Table(weights={"mha": {0: [1.0], 3: [4.0]}})


def test_ncnns_own_table_is_read(tmp_path: Path) -> None:
    file = tmp_path / "ncnn.table"
    file.write_text("conv_0_param_0 127.5 13.25 \n#conv_1_param_0 1 \nconv_0 21.3 \nconv_1 4 \n")
    assert read_table(file) == Table(
        weights={"conv_0": {0: [127.5, 13.25]}}, inputs={"conv_0": 21.3}
    )


@pytest.mark.parametrize(
    "text", ["conv", "conv 1 x", "conv_param_0 0", "conv -1", "conv inf", "c nan"]
)
def test_a_line_that_is_none_of_a_table(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.table"
    file.write_text(f"conv_0 1\n{text}\n")
    with pytest.raises(WrongInput, match=r"bad\.table:2 is not a line of a table"):
        read_table(file)


def seen_by(folder: Path, weighted: list[WeightedLayer], inputs: list[Any]):
    write_weighted_layers(weighted, folder, "model")
    net, lines = load_net(folder), [each.layer for each in weighted]
    return net, lines, observe(net, lines, inputs, len(inputs))


def test_equalised_channels_reach_alike_and_compute_the_same(tmp_path: Path) -> None:
    weighted, inputs = with_weights(mobile_block(), spread=0.2), pictures(4)
    net, lines, seen = seen_by(tmp_path, weighted, inputs)
    changed, names = equalise_channels(weighted, seen)
    assert names == ["expand", "depth"]
    (tmp_path / "changed").mkdir()
    other, _, after = seen_by(tmp_path / "changed", changed, inputs)
    before_blobs = run_all_blobs(net, lines, *inputs[0])
    after_blobs = run_all_blobs(other, lines, *inputs[0])
    np.testing.assert_allclose(after_blobs["out0"], before_blobs["out0"], rtol=1e-3, atol=1e-4)
    depth = lines[4]
    peaks = [each.read_by(depth).peaks for each in (seen, after)]
    lively = peaks[0] > peaks[0].max() / MOST
    unlike = [np.ptp(np.log(each[lively])) for each in peaks]
    assert lively.sum() > 8
    assert unlike[1] < 0.01 < unlike[0]


def test_what_a_clip_writes_stays(tmp_path: Path) -> None:
    """Channels that stay below a ReLU6's limit here go over it in another picture."""
    layers = mobile_block()
    layers[3] = convolution("expand", 8, 16, "a1", "b", **{f"k{k}": v for k, v in RELU6.items()})
    weighted, inputs = with_weights(layers, spread=20), pictures(4)
    _, lines, seen = seen_by(tmp_path, weighted, inputs)
    changed, names = equalise_channels(weighted, seen)
    assert names == ["depth"]
    (tmp_path / "changed").mkdir()
    nets = [
        seen_by(at, each, inputs)[0]
        for at, each in ((tmp_path, weighted), (tmp_path / "changed", changed))
    ]
    far = (10 * inputs[0][0],)
    before, after = (run_all_blobs(each, lines, *far)["out0"] for each in nets)
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)


def test_what_is_added_is_equalised_together(tmp_path: Path) -> None:
    """Stem and projection are added; the expansion reads it, and the classes through a mean."""
    layers = mobile_block()
    layers[1] = convolution("stem", 3, 8, "in0", "a", 3, k9=1)
    weighted, inputs = with_weights(layers, spread=0.02), pictures(4)
    net, lines, seen = seen_by(tmp_path, weighted, inputs)
    (together, *_) = find_groups(weighted)
    assert [each.name for each in together.writers] == ["stem", "project"]
    assert [each.name for each in together.readers] == ["expand", "classes"]
    changed, names = equalise_channels(weighted, seen)
    assert set(names) == {"stem", "project", "expand", "depth"}
    (tmp_path / "changed").mkdir()
    other, _, after = seen_by(tmp_path / "changed", changed, inputs)
    outputs = [run_all_blobs(each, lines, *inputs[0])["out0"] for each in (net, other)]
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-3, atol=1e-4)
    for reader in (lines[3], lines[8]):
        unlike = [np.std(np.log(each.read_by(reader).peaks)) for each in (seen, after)]
        assert unlike[1] < 0.8 * unlike[0]


def test_what_any_other_layer_reads_is_no_group() -> None:
    """A Swish is not twice as much of twice as much."""
    layers = mobile_block()
    layers[1] = convolution("stem", 3, 8, "in0", "a", 3, k9=1)
    for more, expected in (
        ([], [["stem", "project"], ["expand"], ["depth"]]),
        ([line("Swish", "swish", "e", "out1")], [["expand"], ["depth"]]),
    ):
        groups = find_groups(with_weights([*layers, *more]))
        assert [[each.name for each in group.writers] for group in groups] == expected


def test_a_corrected_bias_brings_the_mean_back(tmp_path: Path) -> None:
    """A layer whose weights are rounded to few levels, and which reads what is above zero."""
    weighted, inputs = with_weights(mobile_block()), pictures(6)
    _, lines, seen = seen_by(tmp_path, weighted, inputs)
    table = make_table(weighted, seen, PtqSettings(calibration="mse"))
    coarse = Table(
        weights={**table.weights, "expand": {0: [s / 30 for s in table.weights["expand"][0]]}},
        inputs=table.inputs,
    )
    corrected = correct_biases(weighted, coarse, seen)
    expand, means = weighted[3], seen.read_by(lines[3]).means
    rows = expand.weight.reshape(16, 8)
    rough = snap(rows, np.array(coarse.weights["expand"][0], np.float32)[:, None])
    exact = rows @ means + expand.tensors["bias"].values
    before = rough @ means + expand.tensors["bias"].values
    after = rough @ means + corrected[3].tensors["bias"].values
    assert np.abs(before - exact).max() > 1e-3
    np.testing.assert_allclose(after, exact, atol=1e-5)


def test_a_scale_moves_to_where_the_output_is_most_alike(tmp_path: Path) -> None:
    """One that cuts most of what a layer reads becomes smaller; who reads the same keeps to it."""
    weighted, inputs = with_weights(mobile_block()), pictures(3)
    _, _, seen = seen_by(tmp_path, weighted, inputs)
    table = make_table(weighted, seen, PtqSettings(calibration="mse"))
    right = move_scales(weighted, table, inputs)
    assert all(0.8 <= right.inputs[name] / scale <= 1.5 for name, scale in table.inputs.items())
    cut = Table(
        weights=table.weights, inputs={**table.inputs, "project": 2 * table.inputs["project"]}
    )
    moved = move_scales(weighted, cut, inputs)
    assert moved.inputs["project"] == pytest.approx(0.8 * cut.inputs["project"])
    assert moved.inputs["stem"] == right.inputs["stem"]
