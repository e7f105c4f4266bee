"""ncnn's .param as it is written, and the many ways one can be broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.convert.param import MULTIPLYING, name_data_type, read_param
from piyard.core.errors import ConversionFailed
from piyard.core.paths import ROOT

TEXT = """7767517
4 5
Input            in0      0 1 in0
Split            split_0  1 2 in0 a b
Convolution      conv_0   1 1 a c 0=8 1=3 -23310=2,0.0,6.0 9=3
BinaryOp         add_0    2 1 b c out0 0=0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "net.ncnn.param"


def test_layers_blobs_and_settings(file: Path) -> None:
    file.write_text(TEXT)
    layers = read_param(file)
    assert [layer.type for layer in layers] == ["Input", "Split", "Convolution", "BinaryOp"]
    assert (layers[1].bottoms, layers[1].tops) == (["in0"], ["a", "b"])
    assert layers[2].settings == {"0": "8", "1": "3", "-23310": "2,0.0,6.0", "9": "3"}
    assert [layers[2].number(key) for key in (0, 1, 31)] == [8, 3, 0]
    assert layers[3].bottoms == ["b", "c"]


def test_what_pnnx_left_behind_is_read_too(file: Path) -> None:
    """Its lines have settings that are none of ncnn's."""
    line = "Tensor.slice slice_0 1 1 a b dim=2 end=inf @w start=0 step=2"
    file.write_text(f"7767517\n2 2\nInput a 0 1 a\n{line}\n")
    assert read_param(file)[1].type == "Tensor.slice"


INT8_LAYERS = """7767517
4 4
Input in0 0 1 in0
Convolution conv_0 1 1 in0 a 0=8 1=3 8=102
Gemm gemm_0 1 1 a b 18=1
InnerProduct fc 1 1 b out0 0=8 8={0}
"""


def test_a_net_that_is_int8_in_part_says_in_how_many_layers(file: Path) -> None:
    file.write_text(INT8_LAYERS.format(0))
    assert name_data_type(read_param(file), "fp16") == "int8+fp16 (2/3)"
    file.write_text(INT8_LAYERS.format(2))
    assert name_data_type(read_param(file), "fp16") == "int8+fp16"
    file.write_text(TEXT)
    assert name_data_type(read_param(file), "fp32") == "fp32"


def test_a_huge_one_is_not_read(file: Path) -> None:
    file.write_text("7767517\n")
    os.truncate(file, 10**11)
    with pytest.raises(ConversionFailed, match="it has 100000 MB"):
        read_param(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("<!DOCTYPE html>", "a page of the web"),
    ],
)
def test_what_a_download_left_is_named(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ConversionFailed, match=message):
        read_param(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7767518\n1 1\nInput a 0 1 a\n", "bad magic number"),
        ("7767517\n2 1\nInput a 0 1 a\n", "2 layers, but has 1"),
        ("7767517\n1 1\nInput a 0 1\n", ":3 is truncated"),
        ("7767517\n1 1\nInput a zero 1 a\n", ":3 is truncated"),
        ("7767517\n1 1\nInput\n", ":3 is truncated"),
        ("7767517\n", "no layers"),
    ],
)
def test_a_broken_one_names_file_and_line(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ConversionFailed) as caught:
        read_param(file)
    assert "net.ncnn.param" in caught.value.what
    assert message in caught.value.what


def test_a_binary_file_is_none(file: Path) -> None:
    file.write_bytes(b"\x85dQ\x00\xff\xfe")
    with pytest.raises(ConversionFailed, match="not text"):
        read_param(file)


@given(cut=st.integers(min_value=0, max_value=len(TEXT) - 2))
def test_a_cut_file_is_never_taken_for_a_whole_one(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    """Up to the last layer's line; within its settings nobody can tell."""
    file = tmp_path_factory.mktemp("cut") / "net.param"
    file.write_text(TEXT[:cut])
    if cut >= TEXT.index(" 0=0"):
        assert len(read_param(file)) == 4
    elif cut < TEXT.index("out0"):
        with pytest.raises(ConversionFailed):
            read_param(file)


def test_the_desktop_and_boards_count_the_same_layers() -> None:
    """Else a net would be int8 of so many layers here, and of others there."""
    source = (ROOT / "runner/src/net/precision.cpp").read_text()
    lines = source.partition("bool multiplies(")[2].partition(");")[0].splitlines()[2:]
    assert {word for line in lines for word in line.split('"')[1].split()} == MULTIPLYING
