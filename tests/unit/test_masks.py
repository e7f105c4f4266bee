"""The mask goes to the layers that need it and to no other, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.conversion import masks, names, param
from piyard.errors import WrongInput

PARAM = """7767517
4 4
Input                    in0       0 1 in0
Convolution              conv_0    1 1 in0 1 0=8 1=3
ConvolutionDepthWise     convdw_0  1 1 1 2 0=8 1=3 7=8
ConvolutionDepthWise     convdw_1  1 1 2 out0 0=8 1=3 7=8
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "model.ncnn.param"
    file.write_text(PARAM)
    return file


def test_a_second_mask_keeps_the_first(file: Path) -> None:
    masks.write(file, {"convdw_0": masks.NO_FP16_ARITHMETIC, "convdw_1": 1})
    masks.write(file, {"convdw_0": masks.NO_FP16_STORAGE, "conv_0": masks.FP32})
    told = {layer.name: layer.number(masks.KEY) for layer in param.read(file)}
    assert told == {"in0": 0, "conv_0": 3, "convdw_0": 3, "convdw_1": 1}
    assert file.read_text().count(" 31=") == 3


def test_a_key_that_ends_like_the_masks_is_left_alone(file: Path) -> None:
    file.write_text(PARAM.replace("conv_0    1 1 in0 1 0=8", "conv_0    1 1 in0 1 131=7 0=8"))
    masks.write(file, {"conv_0": 1})
    conv = param.read(file)[1]
    assert conv.settings == {"131": "7", "0": "8", "1": "3", "31": "1"}


@pytest.mark.parametrize("mask", [1, 2, 3])
def test_either_mask_of_fp16_means_fp32(file: Path, mask: int) -> None:
    masks.write(file, {"convdw_1": mask})
    assert masks.in_fp32(param.read(file)) == {"convdw_1"}


def test_blank_lines_are_no_layers(file: Path) -> None:
    file.write_text(PARAM.replace("Convolution ", "\nConvolution ") + "\n  \n")
    masks.write(file, {"conv_0": 1})
    assert [layer.number(masks.KEY) for layer in param.read(file)] == [0, 1, 0, 0]


def test_a_name_means_a_layer_before_it_means_a_type(file: Path) -> None:
    file.write_text(PARAM.replace("convdw_1 ", "Convolution "))
    masks.add(file.parent, {"Convolution": 3, "ConvolutionDepthWise": 1})
    told = {layer.name: layer.number(masks.KEY) for layer in param.read(file)}
    assert told == {"in0": 0, "conv_0": 0, "convdw_0": 1, "Convolution": 3}


def test_masks_of_a_second_net_go_there(file: Path) -> None:
    head = file.with_name("head.ncnn.param")
    head.write_text(PARAM)
    masks.add(file.parent, {"head:conv_0": 1})
    assert file.read_text() == PARAM
    assert param.read(head)[1].number(masks.KEY) == 1


@pytest.mark.parametrize("name", ["/etc/passwd:conv_0", "..:conv_0", "head:conv_0", "conv", ""])
def test_a_name_reaches_no_other_file(file: Path, name: str) -> None:
    (file.parent / "..ncnn.param").write_text(PARAM)
    with pytest.raises(WrongInput, match="there is no layer") as caught:
        masks.add(file.parent, {name: 1})
    assert "take it out of `masks`" in caught.value.remedy
    assert (file.parent / "..ncnn.param").read_text() == PARAM


def test_a_main_nets_own_name_may_hold_the_mark(file: Path) -> None:
    file.write_text(PARAM.replace("conv_0 ", "conv:0 "))
    masks.add(file.parent, {"conv:0": 1})
    assert param.read(file)[1].number(masks.KEY) == 1
    assert names.split("Identity:0") == ("model", "Identity:0")
    assert names.split("head:a:b") == ("head", "a:b")
    for stem, name in (("model", "Identity:0"), ("head", "conv")):
        assert names.split(names.join(stem, name)) == (stem, name)
