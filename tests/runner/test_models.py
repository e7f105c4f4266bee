"""Models that are broken, and shapes that do not fit: exits 3 and 4, one line, never a crash."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runner.nets import MAGIC, Net, small
from tests.runner.outcome import Run, assert_refused

ONCE = ["--loops", "1", "--warmup", "0"]
GOOD = small().param
SIZE = len(small().weights)

BROKEN = [
    ("", "empty"),
    ("hello\n", ".param"),
    (f"{MAGIC}\n", "layers"),
    (f"{MAGIC}\n-1 5\n", "layers"),
    (f"{MAGIC}\n99999999999 5\n", "layers"),
    (f"{MAGIC}\n1\n", "layers"),
    (GOOD.replace("\n5 5\n", "\n6 5\n"), "6 layers"),
    (GOOD.replace("\n5 5\n", "\n5 9\n"), "9 blobs"),
    (GOOD[: len(GOOD) // 2], "layers"),
    (GOOD.replace("ReLU ", "ReLLU "), "ReLLU"),
    (GOOD.replace("ReLU ", "pnnx.Expression "), "pnnx"),
    (GOOD.replace("1 1 conv relu", "1 1 other relu"), "other"),
    (GOOD.replace("1 1 relu pool", "9 1 relu pool"), "pool"),
    (GOOD.replace("0=8 1=3", "0=0 1=3"), ""),
    (GOOD.replace("0=8 1=3", "0=2147483647 1=3"), ""),
    (GOOD.replace("6=216", "6=-216"), ""),
    (GOOD.replace("1=3 4=1", "1=99999 4=1"), ""),
    (GOOD + "\0", "text"),
]


def bench(nnrun: Run, flags, shape="3,8,8", *more):
    return nnrun("bench", *flags, "--shape", shape, *ONCE, *more)


@pytest.mark.parametrize(("text", "part"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_param_file_is_exit_3(nnrun: Run, tmp_path, text, part):
    flags = small().write(tmp_path)
    (tmp_path / "net.param").write_text(text)
    outcome = bench(nnrun, flags)
    assert_refused(outcome, 3, part)
    assert outcome.stdout == ""


@pytest.mark.parametrize("name", ["net.param", "net.bin"])
def test_a_file_that_is_missing_or_a_folder_is_exit_3(nnrun: Run, tmp_path, name):
    flags = small().write(tmp_path)
    (tmp_path / name).unlink()
    assert_refused(bench(nnrun, flags), 3, name, "No such file")
    (tmp_path / name).mkdir()
    assert_refused(bench(nnrun, flags), 3, name)


@pytest.mark.parametrize("kept", [0, 1, 4, 100, 867, 868, 899, 903, 1000, SIZE - 4, SIZE - 1])
def test_a_truncated_bin_is_exit_3(nnrun: Run, tmp_path, kept):
    flags = small().write(tmp_path)
    (tmp_path / "net.bin").write_bytes(small().weights[:kept])
    assert_refused(bench(nnrun, flags), 3, "net.bin", str(kept))


def test_a_bin_that_is_too_long_is_exit_3(nnrun: Run, tmp_path):
    flags = small().write(tmp_path)
    (tmp_path / "net.bin").write_bytes(small().weights + b"\0")
    assert_refused(bench(nnrun, flags), 3, "net.bin", str(SIZE), str(SIZE + 1))


@pytest.mark.parametrize(
    "shape", ["1,8,8", "4,8,8", "2,8,8", "64,8,8", "8,8", "192", "3", "6,300,300"]
)
def test_a_shape_that_does_not_fit_is_exit_4(nnrun: Run, tmp_path, shape):
    outcome = bench(nnrun, small().write(tmp_path), shape)
    assert_refused(outcome, 4, shape, "conv")
    assert outcome.stdout == ""


def test_a_misfit_deep_in_the_net_is_found(nnrun: Run, tmp_path):
    net = Net().add("Input", "in0").add("ReLU", "relu").add("InnerProduct", "out0", "0=1 1=0 2=12")
    flags = net.tagged(np.ones(12)).write(tmp_path)
    assert bench(nnrun, flags, "3,2,2").code == 0
    assert_refused(bench(nnrun, flags, "3,2,3"), 4, "out0", "12")


@pytest.mark.parametrize(
    ("shape", "code"), [("8,6,6", 0), ("4,6,6", 4), ("16,6,6", 4), ("8,2,6", 4), ("8,6,2", 4)]
)
def test_a_depthwise_convolution_is_checked(nnrun: Run, tmp_path, shape, code):
    net = Net().add("Input", "in0").add("ConvolutionDepthWise", "out0", "0=8 1=3 6=72 7=8")
    assert bench(nnrun, net.tagged(np.ones(72)).write(tmp_path), shape).code == code


@pytest.mark.parametrize("joint", ["Concat", "Eltwise"])
def test_blobs_that_meet_must_match(nnrun: Run, tmp_path, joint):
    net = Net().add("Input", "in0").add("Split", "a b").add("Pooling", "p", "1=2 2=2")
    flags = net.add(joint, "out0", "0=0", bottoms=["b", "p"]).write(tmp_path)
    assert_refused(bench(nnrun, flags), 4, "out0")


def test_unknown_blobs_are_exit_3(nnrun: Run, tmp_path):
    flags = small().write(tmp_path)
    assert_refused(bench(nnrun, flags, "3,8,8", "--input-blob", "data"), 3, "data", "in0")
    assert_refused(bench(nnrun, flags, "3,8,8", "--output-blob", "prob"), 3, "prob", "out0")


def test_a_net_of_two_inputs_is_refused(nnrun: Run, tmp_path):
    net = Net().add("Input", "in0").add("Input", "in1", bottoms=[])
    flags = net.add("BinaryOp", "out0", "0=0", bottoms=["in0", "in1"]).write(tmp_path)
    assert_refused(bench(nnrun, flags), 3, "in0", "in1")


def test_whatever_ncnn_prints_or_dies_of_the_user_gets_one_line(nnrun: Run, tmp_path):
    net = Net().add("Input", "in0").add("Reshape", "r", "0=1000000 1=1000000 2=1000")
    outcome = bench(nnrun, net.write(tmp_path))
    assert outcome.code in {3, 4}
    assert outcome.stderr.count("\n") == 1, outcome
