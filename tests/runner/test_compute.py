"""nnrun compute: a net's blobs for tensors from files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.compress.ptq.quantise import quantise_pair
from piyard.compress.ptq.settings import PtqSettings
from piyard.convert.ncnn_net import load_net, read_layers, run_all_blobs
from piyard.models.synthetic import random_tensor
from tests.runner.nets import Net, identity, in_python, small, values_of
from tests.runner.outcome import Run, assert_refused
from tests.support.small_nets import mobile_block, pictures, write_pair

FP32 = ["--precision", "fp32"]


def saved(path: Path, values: np.ndarray) -> Path:
    np.save(path, values)
    return path


def tensor(folder: Path, seed: int, shape: tuple[int, ...] = (3, 8, 6)) -> Path:
    return saved(folder / f"{seed}.npy", random_tensor(shape, seed))


def test_each_tensor_is_an_inference(nnrun: Run, tmp_path):
    files = [tensor(tmp_path, 1), tensor(tmp_path, 2, (3, 5, 9))]
    flags = [*small().write(tmp_path), *FP32, "--save-outputs", tmp_path]
    outcome = nnrun("compute", *flags, *files)
    kinds = [line["type"] for line in outcome.lines]
    assert kinds == ["header", "load", "output", "output", "summary"]
    assert outcome.line("summary")["inferences"] == 2
    for index, file in enumerate(files):
        line = outcome.of("output")[index]
        assert (line["index"], line["name"], line["shape"]) == (index, "out0", [10])
        expected = in_python(small(), tmp_path, np.load(file), "out0")
        np.testing.assert_allclose(values_of(line["file"]), expected, rtol=1e-4, atol=1e-5)


def test_every_blob_is_what_an_inference_makes(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), *FP32, "--save-outputs", tmp_path]
    outcome = nnrun("compute", *flags, "--every-blob", tensor(tmp_path, 3))
    assert [line["name"] for line in outcome.of("output")] == ["conv", "relu", "pool", "out0"]
    for line in outcome.of("output"):
        expected = in_python(small(), tmp_path, random_tensor((3, 8, 6), 3), line["name"])
        np.testing.assert_allclose(values_of(line["file"]), expected.ravel(), rtol=1e-4, atol=1e-5)


def test_a_net_of_two_inputs_takes_them_in_its_own_order(nnrun: Run, tmp_path):
    net = Net().add("Input", "first").add("Input", "second", bottoms=[])
    net.add("BinaryOp", "out0", "0=1", bottoms=["first", "second"])
    files = [tensor(tmp_path, seed, (4,)) for seed in (1, 2, 3, 4)]
    outcome = nnrun("compute", *net.write(tmp_path), *FP32, "--save-outputs", tmp_path, *files)
    assert outcome.line("summary")["inferences"] == 2
    result = [values_of(line["file"]) for line in outcome.of("output")]
    for values, (each, other) in zip(result, [(1, 2), (3, 4)], strict=True):
        expected = random_tensor((4,), each) - random_tensor((4,), other)
        np.testing.assert_array_equal(values, expected)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3), version=st.sampled_from([1, 2, 3])
)
def test_numpys_files_are_read_bit_for_bit(nnrun: Run, tmp_path_factory, shape, version):
    folder, values = tmp_path_factory.mktemp("npy"), random_tensor(shape, 1)
    with (folder / "in.npy").open("wb") as file:
        np.lib.format.write_array(file, values, version=(version, 0))
    flags = [*identity().write(folder), *FP32, "--save-outputs", folder]
    line = nnrun("compute", *flags, folder / "in.npy").line("output")
    assert values_of(line["file"]).tobytes() == values.tobytes()


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


WHOLE = npy(np.ones((3, 8, 6), "<f4"))
BAD_FILES = {
    "empty": (b"", "not a .npy file"),
    "text": (b"hello, this is a text", "not a .npy file"),
    "header cut": (WHOLE[:40], "truncated within its header"),
    "elements cut": (WHOLE[:-4], "are not what the shape 3,8,6 takes"),
    "more elements": (WHOLE + b"more", "are not what the shape 3,8,6 takes"),
    "doubles": (npy(np.ones((3, 8, 6))), "little-endian floats"),
    "big-endian": (npy(np.ones((3, 8, 6), ">f4")), "little-endian floats"),
    "columns first": (npy(np.asfortranarray(np.ones((3, 8, 6), "<f4"))), "not in C order"),
    "four axes": (npy(np.ones((1, 3, 8, 6), "<f4")), "one to three sizes"),
    "no axis": (npy(np.float32(1)), "one to three sizes"),
    "nothing": (npy(np.ones((3, 0, 6), "<f4")), "one to three sizes"),
    "huge": (WHOLE.replace(b"(3, 8, 6), ", b"(99999,9999"), "one to three sizes"),
    "huge product": (WHOLE.replace(b"(3, 8, 6), ", b"(9999999,99"), "one to three sizes"),
    "no words": (WHOLE.replace(b"(3, 8, 6)", b"(a, b, c)"), "one to three sizes"),
    "no tuple": (WHOLE.replace(b"(3, 8, 6)", b"192, 8, 6"), "one to three sizes"),
    "no shape": (WHOLE.replace(b"'shape'", b"'shame'"), "one to three sizes"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_what_is_no_tensor_is_one_line(nnrun: Run, tmp_path, case):
    content, about = BAD_FILES[case]
    (tmp_path / "in.npy").write_bytes(content)
    flags = [*small().write(tmp_path), "--save-outputs", tmp_path]
    assert_refused(nnrun("compute", *flags, tmp_path / "in.npy"), 4, "in.npy", about)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=40), at=st.integers(0, len(WHOLE)))
def test_no_bytes_bring_it_down(nnrun: Run, tmp_path_factory, content, at):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "in.npy").write_bytes(WHOLE[:at] + content + WHOLE[at + len(content) :])
    flags = [*identity().write(folder), "--save-outputs", folder]
    assert nnrun("compute", *flags, folder / "in.npy").code in {0, 4}


def test_a_tensor_that_the_net_cannot_take_is_one_line(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), "--save-outputs", tmp_path]
    outcome = nnrun("compute", *flags, tensor(tmp_path, 1, (5, 8, 6)))
    assert_refused(outcome, 4, "cannot take the shape 5,8,6", "conv", "check the tensors")


def test_mistakes_of_the_command_line(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), "--save-outputs", tmp_path]
    assert_refused(nnrun("compute", *flags), 2, "a tensor is missing")
    both = ["--every-blob", "--output-blob", "relu", tensor(tmp_path, 1)]
    assert_refused(nnrun("compute", *flags, *both), 2, "at most one of --every-blob")
    two = Net().add("Input", "a").add("Input", "b", bottoms=[])
    two.add("BinaryOp", "out0", "0=1", bottoms=["a", "b"])
    outcome = nnrun("compute", *two.write(tmp_path, "two"), *flags[4:], tensor(tmp_path, 1))
    assert_refused(outcome, 2, "the net has 2 inputs", "1 tensors are not a multiple")
    missing = ["--save-outputs", tmp_path / "nowhere", tensor(tmp_path, 1)]
    assert_refused(nnrun("compute", *flags[:4], *missing), 5, "nowhere")
    assert_refused(nnrun("compute", *flags, tmp_path / "no.npy"), 4, "no.npy", "No such file")


def test_blobs_whose_names_make_the_same_file_do_not_overwrite_each_other(nnrun: Run, tmp_path):
    net = Net().add("Input", "in0").add("ReLU", "a/b").add("UnaryOp", "a_b", "0=1")
    flags = [*net.write(tmp_path), *FP32, "--save-outputs", tmp_path, "--every-blob"]
    outcome = nnrun("compute", *flags, tensor(tmp_path, 1))
    files = {line["name"]: line["file"] for line in outcome.of("output")}
    assert files.keys() == {"a/b", "a_b"}
    assert len(set(files.values())) == 2
    np.testing.assert_array_equal(values_of(files["a_b"]), -values_of(files["a/b"]))


def test_a_net_without_an_input_is_one_line(nnrun: Run, tmp_path):
    net = Net().add("MemoryData", "out0", "0=4").raw(np.ones(4))
    flags = [*net.write(tmp_path), "--save-outputs", tmp_path, tensor(tmp_path, 1)]
    assert_refused(nnrun("compute", *flags), 3, "the net has no input")


def test_a_blob_that_is_masked_is_there_under_its_own_name(nnrun: Run, tmp_path):
    net = small()
    net.lines = [line + " 31=3" if " conv " in line else line for line in net.lines]
    flags = [*net.write(tmp_path), "--precision", "fp16", "--save-outputs", tmp_path]
    outcome = nnrun("compute", *flags, "--every-blob", tensor(tmp_path, 1))
    assert {"conv", "relu", "pool", "out0"} <= {line["name"] for line in outcome.of("output")}


def test_what_is_handed_on_as_int8_is_written_as_numbers(nnrun: Run, tmp_path: Path):
    """ncnn leaves such a blob as it is where halves are stored."""
    write_pair(tmp_path, mobile_block())
    inputs = pictures(3)
    pair = (tmp_path / "model.ncnn.param", tmp_path / "model.ncnn.bin")
    ours = quantise_pair(*pair, lambda: iter(inputs), 3, PtqSettings())
    (tmp_path / "int8").mkdir()
    ours.write(tmp_path / "int8", ours.table.layers)
    np.save(tmp_path / "in.npy", inputs[0][0])
    stem = tmp_path / "int8/model.ncnn"
    flags = ["--param", f"{stem}.param", "--bin", f"{stem}.bin"]
    run = ["--precision", "int8", "--threads", "1", "--every-blob", "--save-outputs", tmp_path]
    outcome = nnrun("compute", *flags, *run, "--", tmp_path / "in.npy")
    blobs = {line["name"]: line for line in outcome.of("output")}
    here = run_all_blobs(load_net(tmp_path / "int8"), read_layers(tmp_path / "int8"), *inputs[0])
    for name in ("b", "c"):
        (file,) = tmp_path.glob(f"0.*.{name}.f32")
        steps = values_of(file).reshape(here[name].shape)
        assert blobs[name]["shape"] == list(here[name].shape)
        assert np.abs(steps).max() <= 127
        assert np.abs(steps - here[name]).max() <= 4  # what comes before is in halves on ARM
        assert np.abs(steps - here[name]).mean() < 0.1
