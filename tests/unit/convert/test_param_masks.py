"""The mask goes to the layers that need it and to no other, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.convert.param import (
    FP32_MASK,
    MASK_KEY,
    NO_FP16_ARITHMETIC,
    NO_FP16_STORAGE,
    add_masks,
    fp32_layers,
    join_name,
    read_param,
    split_name,
    write_masks,
)
from piyard.core.errors import WrongInput

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
    write_masks(file, {"convdw_0": NO_FP16_ARITHMETIC, "convdw_1": 1})
    write_masks(file, {"convdw_0": NO_FP16_STORAGE, "conv_0": FP32_MASK})
    result = {layer.name: layer.number(MASK_KEY) for layer in read_param(file)}
    assert result == {"in0": 0, "conv_0": 3, "convdw_0": 3, "convdw_1": 1}
    assert file.read_text().count(" 31=") == 3


def test_a_key_that_ends_like_the_masks_is_left_alone(file: Path) -> None:
    file.write_text(PARAM.replace("conv_0    1 1 in0 1 0=8", "conv_0    1 1 in0 1 131=7 0=8"))
    write_masks(file, {"conv_0": 1})
    conv = read_param(file)[1]
    assert conv.settings == {"131": "7", "0": "8", "1": "3", "31": "1"}


@pytest.mark.parametrize("mask", [1, 2, 3])
def test_either_mask_of_fp16_means_fp32(file: Path, mask: int) -> None:
    write_masks(file, {"convdw_1": mask})
    assert fp32_layers(read_param(file)) == {"convdw_1"}


def test_blank_lines_are_no_layers(file: Path) -> None:
    file.write_text(PARAM.replace("Convolution ", "\nConvolution ") + "\n  \n")
    write_masks(file, {"conv_0": 1})
    assert [layer.number(MASK_KEY) for layer in read_param(file)] == [0, 1, 0, 0]


def test_a_name_means_a_layer_before_it_means_a_type(file: Path) -> None:
    file.write_text(PARAM.replace("convdw_1 ", "Convolution "))
    add_masks(file.parent, {"Convolution": 3, "ConvolutionDepthWise": 1})
    result = {layer.name: layer.number(MASK_KEY) for layer in read_param(file)}
    assert result == {"in0": 0, "conv_0": 0, "convdw_0": 1, "Convolution": 3}


def test_masks_of_a_second_net_go_there(file: Path) -> None:
    head = file.with_name("head.ncnn.param")
    head.write_text(PARAM)
    add_masks(file.parent, {"head:conv_0": 1})
    assert file.read_text() == PARAM
    assert read_param(head)[1].number(MASK_KEY) == 1


@pytest.mark.parametrize("name", ["/etc/passwd:conv_0", "..:conv_0", "head:conv_0", "conv", ""])
def test_a_name_reaches_no_other_file(file: Path, name: str) -> None:
    (file.parent / "..ncnn.param").write_text(PARAM)
    with pytest.raises(WrongInput, match="there is no layer") as caught:
        add_masks(file.parent, {name: 1})
    assert "take it out of `masks`" in caught.value.remedy
    assert (file.parent / "..ncnn.param").read_text() == PARAM


def test_a_main_nets_own_name_may_hold_the_mark(file: Path) -> None:
    file.write_text(PARAM.replace("conv_0 ", "conv:0 "))
    add_masks(file.parent, {"conv:0": 1})
    assert read_param(file)[1].number(MASK_KEY) == 1
    assert split_name("Identity:0") == ("model", "Identity:0")
    assert split_name("head:a:b") == ("head", "a:b")
    for stem, name in (("model", "Identity:0"), ("head", "conv")):
        assert split_name(join_name(stem, name)) == (stem, name)
