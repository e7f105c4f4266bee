"""Factors that even out what enters matrices: they change nothing in floats, and help integers."""

from collections import Counter

import numpy as np
import pytest
import torch

from piyard.convert.language.formats import FORMATS
from piyard.convert.language.fused_graph import write_decoder
from piyard.convert.language.proof_tokens import choose_tokens
from piyard.convert.language.smoothing import SmoothedSource, column_factors, smooth
from piyard.convert.language.twin_pass import TwinPass
from piyard.models.random_decoder import RandomSource
from piyard.models.transformer_files import load_decoder
from tests.support.language_models import TINY, variant

OUTLIERS = slice(None, None, 29)
TIMES = np.float32(100)


class Uneven(RandomSource):
    """Some features are large behind each norm, and between the matrices behind it."""

    def read(self, name):
        values = super().read(name).copy()
        if name.endswith(("layernorm.weight", "up_proj.weight")):
            values[OUTLIERS] *= TIMES
        if name.endswith(
            ("q_proj.weight", "k_proj.weight", "gate_proj.weight", "down_proj.weight")
        ):
            values[:, OUTLIERS] /= TIMES
        return values


def divergence(source, windows, folder):
    formats = FORMATS["int8"]
    twin = TwinPass(source, formats, windows)
    write_decoder(source, formats, folder / "a.param", folder / "a.bin", twin)
    return twin.result("", is_text=False).divergence


@pytest.mark.parametrize("config", [TINY, variant(family="qwen3", qk_norm=True, tied=False)])
def test_a_smoothed_decoder_is_the_same_in_floats_and_loses_less_in_integers(config, tmp_path):
    source = Uneven(config)
    with torch.no_grad():
        windows = choose_tokens(config, b"").proof
        smoothed = smooth(source, windows)
        ids = torch.tensor(windows[0])
        assert torch.equal(load_decoder(smoothed)(ids), load_decoder(source)(ids))
        before, after = (divergence(each, windows, tmp_path) for each in (source, smoothed))
    assert after < before / 2


def test_rows_are_divided_by_what_the_columns_behind_them_are_multiplied_by():
    with torch.no_grad():
        smoothed = smooth(RandomSource(TINY), choose_tokens(TINY, b"").proof)
    block = "model.layers.0."
    counts = Counter({name: len(factors) for name, factors in smoothed.factors.items()})
    assert len(counts) == 8 * TINY.layers
    assert counts[f"{block}mlp.up_proj.weight"] == 2
    assert f"{block}self_attn.o_proj.weight" not in counts
    (down,) = smoothed.factors[f"{block}mlp.down_proj.weight"]
    assert any(
        np.array_equal(factor, 1 / down.T)
        for factor in smoothed.factors[f"{block}mlp.up_proj.weight"]
    )


def test_factors_are_powers_of_two_between_what_inputs_and_weights_reach():
    inputs = np.array([1, 1, 64, 0], np.float32)
    factors = column_factors(inputs, np.ones(4, np.float32))
    assert factors[2] / factors[0] == 8
    assert np.array_equal(np.exp2(np.rint(np.log2(factors))), factors)
    assert np.array_equal(
        column_factors(np.zeros(3, np.float32), np.ones(3, np.float32)), [1, 1, 1]
    )


def test_a_smoothed_source_has_the_names_of_its_own():
    source = RandomSource(TINY)
    smoothed = SmoothedSource(source, {"model.norm.weight": [np.full(1, 2, np.float32)]})
    assert (smoothed.config, smoothed.path, smoothed.shapes) == (TINY, source.path, source.shapes)
    assert np.array_equal(smoothed.read("model.norm.weight"), source.read("model.norm.weight") * 2)
