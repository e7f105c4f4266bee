"""Attention, nnrun's own layer, beside numpy: heads, rotary embeddings, norms, causal or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from piyard.convert.language.panels import attention_section
from tests.runner.nets import Net
from tests.runner.outcome import Run, assert_refused
from tests.runner.test_linear import computed, refusal
from tests.support import own_layers
from tests.support.own_layers import AttentionShape

GROUPED = AttentionShape(heads=6, kv_heads=2, size=16, scale=0.25)


def check(nnrun: Run, folder: Path, shape: AttentionShape, rows: int) -> None:
    """nnrun's values are numpy's."""
    rng = np.random.default_rng(5)
    qkv = rng.normal(0, 1, (rows, shape.inputs)).astype(np.float32)
    frequencies = 100.0 ** (-np.arange(shape.rotary // 2) / max(shape.rotary // 2, 1))
    turned = frequencies.astype(np.float32) if shape.rotary else None
    norms = [rng.normal(1, 0.2, shape.size).astype(np.float32) for _ in range(2)]
    section = attention_section(0, turned, *(norms if shape.qk_norm else []))
    net = Net(weights=section).add("Input", "in0").add("Attention", "out0", shape.params)
    actual = computed(nnrun, folder, net, qkv)
    pair = (norms[0], norms[1]) if shape.qk_norm else None
    expected = own_layers.attention(shape, qkv, turned, pair)
    np.testing.assert_allclose(actual.reshape(rows, -1), expected, rtol=5e-5, atol=5e-5)


SHAPES = {
    "grouped": GROUPED,
    "a head of keys each": replace(GROUPED, kv_heads=6),
    "one head of keys": replace(GROUPED, heads=9, kv_heads=1),
    "not causal": replace(GROUPED, causal=False),
    "rotary": replace(GROUPED, rotary=16),
    "rotary in part": replace(GROUPED, rotary=6),
    "normalised": replace(GROUPED, rotary=16, qk_norm=True),
    "small heads": replace(GROUPED, size=8, rotary=8),
    "large heads": replace(GROUPED, size=80, causal=False),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("rows", [1, 3, 21])
def test_attention(nnrun: Run, tmp_path: Path, name: str, rows: int) -> None:
    check(nnrun, tmp_path, SHAPES[name], rows)


REFUSED = {
    "0=0": "0 heads",
    "0=7": "not a multiple of its",
    "1=0": "not a multiple of its",
    "2=12": "heads of 12 values",
    "2=0": "heads of 0 values",
    "3=0.0": "scale",
    "3=nan": "scale",
    "4=7": "rotates 7 values",
    "4=18": "rotates 18 values",
    "5=2": "a flag",
    "6=1e30": "epsilon",
}


@pytest.mark.parametrize("params", REFUSED)
def test_parameters_that_make_no_layer_are_refused(nnrun: Run, tmp_path: Path, params: str) -> None:
    inputs = dict(word.split("=") for word in f"{GROUPED.params} {params}".split())
    line = " ".join(f"{key}={value}" for key, value in inputs.items())
    net = Net().add("Input", "in0").add("Attention", "out0", line)
    done = refusal(nnrun, tmp_path, net, (1, 160))
    assert_refused(done, 3, "net.param", "layer out0 (Attention)", REFUSED[params])


def test_rows_that_do_not_fit_are_refused(nnrun: Run, tmp_path: Path) -> None:
    net = Net(weights=attention_section(0)).add("Input", "in0")
    net.add("Attention", "out0", GROUPED.params)
    assert refusal(nnrun, tmp_path, net, (2, 159)).code == 4
