"""The mask goes to the layers that need it and to no other, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

from piyard import masks

PARAM = """7767517
4 4
Input                    in0       0 1 in0
Convolution              conv_0    1 1 in0 1 0=8 1=3
ConvolutionDepthWise     convdw_0  1 1 1 2 0=8 1=3 7=8
ConvolutionDepthWise     convdw_1  1 1 2 out0 0=8 1=3 7=8
"""


def test_depthwise_layers_are_masked(tmp_path: Path) -> None:
    file = tmp_path / "model.ncnn.param"
    file.write_text(PARAM)
    assert masks.apply(file) == ["convdw_0", "convdw_1"]
    changed = file.read_text().splitlines()
    assert [line.endswith(" 31=1") for line in changed] == [False] * 4 + [True] * 2
    assert [line.removesuffix(" 31=1") for line in changed] == PARAM.splitlines()


def test_a_net_without_them_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "model.ncnn.param"
    text = "".join(line for line in PARAM.splitlines(keepends=True) if "DepthWise" not in line)
    file.write_text(text)
    assert masks.apply(file) == []
    assert file.read_text() == text
