"""Nets that a converter never writes: whatever ncnn does with them, the user gets one line."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.runner.nets import Net, small
from tests.runner.outcome import Outcome, Run, assert_refused

ONCE = ["--shape", "3,8,8", "--loops", "1", "--warmup", "0"]


def both(nnrun: Run, folder: Path, flags: list[str]) -> list[Outcome]:
    """The net in the two verbs that take any."""
    np.save(folder / "in.npy", np.ones((3, 8, 8), np.float32))
    return [
        nnrun("bench", *flags, *ONCE),
        nnrun("compute", *flags, "--save-outputs", folder, folder / "in.npy"),
    ]


LACKING = {
    "BinaryOp": ("1 1 b out0 0=0", "reads 1 blob and needs 2"),
    "Eltwise": ("1 1 b out0 0=1", "reads 1 blob and needs 2"),
    "MatMul": ("1 1 b out0", "reads 1 blob and needs 2"),
    "Crop": ("1 1 b out0", "reads 1 blob and needs 2"),
    "Gemm": ("1 1 b out0", "reads 1 blob and needs 2"),
    "Convolution": ("2 1 b c out0 0=1 1=1 5=1 19=1", "reads 2 blobs and needs 3"),
    "Concat": ("0 1 out0", "reads 0 blobs and needs 1"),
    "ReLU": ("0 1 out0", "ncnn cannot use this net"),
    "Softmax": ("1 0 b", "ncnn cannot use this net"),
    "Split": ("0 2 out0 out1", "reads 0 blobs and needs 1"),
    "Noop": ("1 2 b out0 out1", "produces 2 blobs from 1 blob"),
}


@pytest.mark.parametrize("kind", LACKING)
def test_a_layer_that_lacks_blobs_is_exit_3(nnrun: Run, tmp_path, kind):
    line, problem = LACKING[kind]
    outputs = sum(word.startswith("out") for word in line.split())
    text = f"7767517\n4 {4 + outputs}\nInput in0 0 1 in0\nReLU r 1 1 in0 a\nSplit s 1 2 a b c\n"
    flags = Net().write(tmp_path)
    (tmp_path / "net.param").write_text(f"{text}{kind} last {line}\n")
    for outcome in both(nnrun, tmp_path, flags):
        assert_refused(outcome, 3, "net.param", problem)
        assert outcome.stdout == ""


@pytest.mark.parametrize("folder", ["rel-1-1117", "rel-1-896"])
def test_nets_that_crashed_without_a_word(nnrun: Run, tmp_path, folder):
    """The test's nnrun knows fewer layers than a board's: either way they are refused."""
    case = Path(__file__).parents[3] / "shared" / "cases" / "hostile" / folder
    if not case.is_dir():
        pytest.skip(f"{case} is not there")
    for outcome in both(nnrun, tmp_path, ["--param", case / "n.param", "--bin", case / "n.bin"]):
        assert_refused(outcome, 3, "n.param")


def test_weights_larger_than_any_memory_are_not_allocated(nnrun: Run, tmp_path):
    flags = small().write(tmp_path)
    path = tmp_path / "net.param"
    path.write_text(path.read_text().replace("2=80", "2=2147483640"))
    for outcome in both(nnrun, tmp_path, flags):
        assert_refused(outcome, 3, "net.bin", "truncated")


def test_an_input_larger_than_the_memory_is_exit_4(nnrun: Run, tmp_path):
    """Granted by the kernel, it would end the first who fills it."""
    flags = Net().add("Input", "in0").add("ReLU", "out0").write(tmp_path)
    for shape in ("1,1048576,1048576", "1048576,1048576,1048576", "1048576,1048576"):
        outcome = nnrun("bench", *flags, "--shape", shape, "--loops", 1)
        assert_refused(outcome, 4, f"not enough memory for an input of {shape}")


def test_a_net_of_very_many_blobs_is_read(nnrun: Run, tmp_path):
    """Whatever is looked up by name takes no pass over all of them."""
    outputs = " ".join(f"o{index}" for index in range(40_000))
    (tmp_path / "net.param").write_text(
        f"7767517\n2 40001\nInput in0 0 1 in0\nSplit s 1 40000 in0 {outputs}\n"
    )
    (tmp_path / "net.bin").write_bytes(b"")
    flags = ["--param", tmp_path / "net.param", "--bin", tmp_path / "net.bin"]
    outcome = nnrun("bench", *flags, *ONCE)
    assert outcome.code == 0, outcome.stderr
    assert len(outcome.of("output")) == 40_000


@pytest.mark.parametrize("value", ["2147483648", "-2147483649", "99999999999999999999"])
def test_a_parameter_beyond_32_bits_is_no_other_number(nnrun: Run, tmp_path, value):
    flags = small().write(tmp_path)
    path = tmp_path / "net.param"
    path.write_text(path.read_text().replace("0=8 1=3", f"0={value} 1=3"))
    for outcome in both(nnrun, tmp_path, flags):
        assert_refused(outcome, 3, "net.param")


NUMBERS = ["0", "1", "-1", "2", "7", "-233", "65536", "2147483647", "-2147483648", "1e30", "nan"]
KINDS = "Concat Crop Eltwise Gemm InnerProduct MatMul Padding Permute Reshape Split Pooling".split()


def mutated(text: str, chance: random.Random) -> str:
    """The .param with a few words changed, so that its counts still hold most of the time."""
    head, counts, *lines = text.splitlines()
    words = [line.split() for line in lines]
    for _ in range(chance.randint(1, 3)):
        line = chance.choice(words[1:])
        act = chance.randrange(4)
        if act == 0:
            line[0] = chance.choice(KINDS)
        elif act == 1 and "=" in line[-1]:
            key, _ = line[-1].split("=")
            line[-1] = f"{key}={chance.choice(NUMBERS)}"
        elif act == 2:
            line.append(f"{chance.randrange(20)}={chance.choice(NUMBERS)}")
        else:
            line[4:] = chance.sample(line[4:], len(line[4:]))
    return "\n".join([head, counts, *(" ".join(line) for line in words)]) + "\n"


def test_no_mutated_net_crashes_without_a_word(nnrun: Run, tmp_path):
    chance = random.Random(5)
    net = small()
    net.add("Reshape", "r", "0=5 1=2").add("Softmax", "prob", "0=0")
    flags = net.write(tmp_path)
    codes = set()
    for _ in range(150):
        text = mutated(net.param, chance)
        (tmp_path / "net.param").write_text(text)
        for outcome in both(nnrun, tmp_path, flags):
            assert outcome.code in {0, 3, 4}, (text, outcome)
            assert outcome.stderr.count("\n") == (0 if outcome.code == 0 else 1), (text, outcome)
            codes.add(outcome.code)
    assert codes == {0, 3, 4}


@pytest.mark.parametrize("kind", [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE])
def test_a_crash_after_the_rehearsal_is_one_line_too(nnrun_path: Path, tmp_path, kind):
    flags = small().write(tmp_path)
    line = [
        str(nnrun_path),
        "bench",
        *map(str, flags),
        "--shape",
        "3,8,8",
        "--budget",
        "60",
        "--cold",
    ]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()  # the header: the rehearsals are over
        process.send_signal(kind)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert said == (
        f"nnrun: {tmp_path}/net.param: ncnn crashes on this net; "
        "check that its files and the input belong together\n"
    )
