"""What no model of one's own can be."""

import os

import pytest
import torch

from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import preprocess_options
from piyard.core.errors import ConversionFailed, WrongInput
from tests.conversion.own.adding import add, ask, network

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"size": "32,32"}, "--input"),
        ({"size": "3,a,32"}, "--input"),
        ({"size": "8,3,32,32"}, "batch of 8"),
        ({"size": "2,32,32"}, "1, 3 or 4 channels"),
        ({"task": "detct"}, "detct"),
        ({"task": "detect"}, "head"),
        ({"head": "yolo8"}, "did you mean 'yolov8'"),
        ({"name": "../x"}, "name of a model"),
        ({"name": ""}, "name of a model"),
        ({"labels": "nothing.txt"}, "no file nothing.txt"),
        ({"labels": ""}, "labels"),
        ({"preprocess": {"order": "gbr"}}, "order"),
    ],
)
def test_a_flag_that_makes_no_sense(script, names, models, more, message):
    with pytest.raises(WrongInput) as caught:
        plan_addition(ask(script, names, **more))
    assert message in str(caught.value)
    assert not list(models.glob("*.yaml"))


def test_a_file_that_is_no_network(tmp_path, names):
    torch.save(network().state_dict(), tmp_path / "net.pth")
    with pytest.raises(WrongInput, match=r"net\.pth fits no network") as caught:
        plan_addition(ask(tmp_path / "net.pth", names))
    assert "trace" in caught.value.remedy


def test_no_file_at_all(tmp_path, names):
    with pytest.raises(WrongInput, match=r"there is no file .*net\.onnx"):
        plan_addition(ask(tmp_path / "net.onnx", names))
    os.mkfifo(tmp_path / "net.onnx")
    with pytest.raises(WrongInput, match=r"net\.onnx is not a file"):
        plan_addition(ask(tmp_path / "net.onnx", names))


def test_a_link_to_nowhere_says_where_it_leads(tmp_path, names):
    link = tmp_path / "net.onnx"
    link.symlink_to("gone.onnx")
    with pytest.raises(WrongInput, match=r"net\.onnx is a link to gone\.onnx, where no file is"):
        plan_addition(ask(link, names))


SUFFIXES = (".onnx", ".pt", ".pth", ".torchscript", ".param", ".gguf")
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(60)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html>", "is a page of the web"),
        (PICTURE, "is not a|is no "),
    ],
)
def test_a_file_that_is_something_else(tmp_path, names, suffix, content, message):
    file = tmp_path / f"net{suffix}"
    file.write_bytes(content)
    file.with_suffix(".bin").write_bytes(bytes(8))
    with pytest.raises((WrongInput, ConversionFailed), match=rf"net\{suffix} ({message})"):
        plan_addition(ask(file, names))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_huge_file_is_neither_read_nor_copied(tmp_path, names, suffix):
    file = tmp_path / f"net{suffix}"
    file.write_bytes(b"GGUF" if suffix == ".gguf" else b"PK")
    os.truncate(file, 1 << 37)
    with pytest.raises((WrongInput, ConversionFailed)):
        plan_addition(ask(file, names))


def test_a_language_model_is_added_before_it_is_used(tmp_path, names):
    (tmp_path / "lm.gguf").write_bytes(b"GGUF")
    with pytest.raises(WrongInput, match="is a language model") as caught:
        plan_addition(ask(tmp_path / "lm.gguf", names))
    assert "model.add" in caught.value.remedy


@pytest.mark.parametrize("suffix", [".pth", ".torchscript"])
def test_a_damaged_weight_is_no_other_weight(tmp_path, names, suffix):
    """torch itself reads it as it is."""
    file = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save(network().state_dict(), file)
    else:
        torch.jit.trace(network(), torch.zeros(1, 3, 32, 32)).save(str(file))
    content = bytearray(file.read_bytes())
    weight = next(each for each in network().state_dict().values() if each.numel() > 4)
    at = content.index(weight.numpy().tobytes())
    content[at + 1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ConversionFailed, match=r"is only a part of a file, or damaged") as caught:
        plan_addition(ask(file, names))
    assert "CRC" in caught.value.evidence


def test_a_name_that_is_taken(script, names):
    add(ask(script, names))
    with pytest.raises(WrongInput, match="already") as caught:
        plan_addition(ask(script, names))
    assert "--name" in caught.value.remedy


def test_labels_without_a_name_in_them(script, tmp_path):
    (tmp_path / "empty.txt").write_text("\n  \n")
    with pytest.raises(WrongInput, match="holds no names"):
        plan_addition(ask(script, tmp_path / "empty.txt"))


def test_a_mean_that_is_no_number():
    with pytest.raises(WrongInput, match="--mean 1,two,3"):
        preprocess_options(fit="", order="", mean="1,two,3", norm="")
