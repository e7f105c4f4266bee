"""nnrun bench: what it writes, what it feeds, what it computes, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.convert.difference import compare_outputs
from piyard.models.synthetic import INPUT_SEED, random_tensor, random_tensors
from tests.runner.nets import Net, identity, in_python, small, values_of
from tests.runner.outcome import Run, assert_refused

ONCE = ["--loops", "1", "--warmup", "0"]
HEADER = {
    *("type", "schema", "nnrun", "build", "ncnn", "task", "cpu", "threads", "powersave"),
    *("precision", "options", "env", "model", "input", "uptime_s"),
}


def test_the_lines_of_a_run(nnrun: Run, tmp_path):
    flags = small().write(tmp_path)
    run = ["--shape", "3,12,10", "--loops", "5", "--warmup", "2", "--threads", "1"]
    outcome = nnrun("bench", *flags, *run)
    assert outcome.stderr == ""
    kinds = [line["type"] for line in outcome.lines]
    assert kinds == ["header", "load", *["warmup"] * 2, *["sample"] * 5, "output", "summary"]
    assert [line["i"] for line in outcome.of("sample")] == [0, 1, 2, 3, 4]
    assert [line["i"] for line in outcome.of("warmup")] == [0, 1]
    timed = [*outcome.of("load"), *outcome.of("warmup"), *outcome.of("sample")]
    assert all(line["ms"] > 0 for line in timed)
    expected = {"name": "out0", "shape": [10], "finite": True}
    assert outcome.line("output").items() >= expected.items()
    assert outcome.line("summary")["samples"] == 5
    assert outcome.line("summary")["peak_rss_kb"] > 1000


def test_the_header(nnrun: Run, tmp_path):
    flags = small().write(tmp_path)
    header = nnrun("bench", *flags, "--shape", "3,12,10", *ONCE, "--threads", "1").line("header")
    assert header.keys() >= HEADER
    assert (header["schema"], header["ncnn"], header["task"]) == (1, "1.0.20261020", "bench")
    assert header["threads"] == header["options"]["num_threads"] == 1
    assert header["cpu"]["arch"] == os.uname().machine
    assert header["cpu"]["count"] >= header["cpu"]["big"] >= 1
    described = {"param": flags[1], "bin": flags[3], "layers": 5, "blobs": 5, "weights": "fp32"}
    assert header["model"].items() >= described.items()
    fed = {"blob": "in0", "shape": [3, 12, 10], "seed": INPUT_SEED, "span": [-1, 1]}
    assert header["input"].items() >= fed.items()


def test_openmp_settings_are_reported(nnrun: Run, tmp_path):
    settings_ = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    flags = small().write(tmp_path)
    outcome = nnrun("bench", *flags, "--shape", "3,8,8", *ONCE, env=os.environ | settings_)
    assert outcome.line("header")["env"].items() >= settings_.items()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    span=st.sampled_from([(-1, 1), (0, 255), (-2.1179, 2.64), (-1e-3, 7)]),
)
def test_the_input_is_bit_for_bit_pythons(nnrun: Run, tmp_path_factory, seed, shape, span):
    folder = tmp_path_factory.mktemp("input")
    flags = [*identity().write(folder), "--shape", ",".join(map(str, shape)), "--seed", seed]
    flags += ["--span", ",".join(map(str, span))]
    outcome = nnrun("bench", *flags, *ONCE, "--precision", "fp32", "--save-outputs", folder)
    saved = values_of(outcome.line("output")["file"])
    assert saved.tobytes() == random_tensor(shape, seed, span).tobytes()


@pytest.mark.parametrize("half", [False, True])
def test_the_output_is_that_of_the_python_package(nnrun: Run, tmp_path, half):
    net = small(half=half)
    run = ["--shape", "3,16,20", "--seed", "5", *ONCE, "--precision", "fp32"]
    outcome = nnrun("bench", *net.write(tmp_path), *run, "--save-outputs", tmp_path)
    expected = in_python(net, tmp_path, random_tensor((3, 16, 20), 5), "out0")
    comparison = compare_outputs(expected, values_of(tmp_path / "out0.f32"))
    assert comparison.cosine > 1 - 1e-6
    assert comparison.max_abs < 1e-4
    assert outcome.line("header")["model"]["weights"] == ("fp16" if half else "fp32")


@pytest.mark.parametrize("blobs", [["relu", "out0"], ["out0", "relu"], ["relu"]])
def test_an_inner_blob_can_be_an_output(nnrun: Run, tmp_path, blobs):
    named = [flag for blob in blobs for flag in ("--output-blob", blob)]
    run = ["--shape", "3,6,5", *ONCE, "--precision", "fp32", *named, "--save-outputs", tmp_path]
    outcome = nnrun("bench", *small().write(tmp_path), *run)
    assert {line["name"] for line in outcome.of("output")} == set(blobs)
    for blob in blobs:
        expected = in_python(small(), tmp_path, random_tensor((3, 6, 5)), blob)
        saved = values_of(tmp_path / f"{blob}.f32")
        np.testing.assert_allclose(saved, expected.ravel(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("span", ["1,1", "2,1", "nan,1", "1", "a,b"])
def test_a_span_that_is_none_is_a_mistake(nnrun: Run, tmp_path, span):
    flags = [*identity().write(tmp_path), "--shape", "3,4,4", *ONCE, "--span", span]
    assert_refused(nnrun("bench", *flags), 2, "--span")


def test_a_budget_ends_the_run(nnrun: Run, tmp_path):
    flags = [*small().write(tmp_path), "--shape", "3,8,8", "--warmup", "0"]
    outcome = nnrun("bench", *flags, "--budget", "0.3")
    assert outcome.line("summary")["samples"] == len(outcome.of("sample")) >= 1
    few = nnrun("bench", *flags, "--budget", "0.001", "--min-loops", "50")
    assert few.line("summary")["samples"] >= 50


def test_what_is_not_finite_is_said(nnrun: Run, tmp_path):
    net = Net().add("Input", "in0").add("InnerProduct", "out0", "0=2 1=1 2=8")
    flags = net.tagged(np.ones(8)).raw(np.array([1, np.nan])).write(tmp_path)
    outcome = nnrun("bench", *flags, "--shape", "4", *ONCE, "--precision", "fp32")
    assert outcome.line("output")["finite"] is False


def test_peak_memory_is_not_that_of_the_program_that_started_it(nnrun: Run, tmp_path):
    """A process keeps its predecessor's getrusage maximum over exec."""
    ballast = np.ones(60_000_000, "u1")  # ours, and resident
    flags = [*small().write(tmp_path), "--shape", "3,8,8", *ONCE]
    assert nnrun("bench", *flags).line("summary")["peak_rss_kb"] < ballast.nbytes / 1024


class TestPrecision:
    @pytest.fixture
    def precision_of(self, nnrun: Run, tmp_path):
        flags = [*small().write(tmp_path), "--shape", "3,8,8", *ONCE]

        def ask(precision: str):
            return nnrun("bench", *flags, "--precision", precision).line("header")["precision"]

        return ask

    def test_fp32_is_fp32(self, precision_of):
        said = dict.fromkeys(("requested", "storage", "arithmetic", "label"), "fp32")
        assert precision_of("fp32").items() >= said.items()

    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="a CPU that may compute in fp16")
    def test_fp16_is_not_claimed_where_there_is_none(self, precision_of):
        precision = precision_of("fp16")
        assert precision["requested"] == "fp16"
        assert precision["arithmetic"] == "fp32"
        assert precision["label"].startswith("fp32")

    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="a CPU that may compute in bf16")
    def test_bf16_is_storage_only_on_a_desktop(self, precision_of):
        precision = precision_of("bf16")
        assert "bf16" in precision["storage"]
        assert "bf16" in precision["label"]

    def test_int8_needs_a_quantised_net(self, nnrun: Run, tmp_path):
        flags = [*small().write(tmp_path), "--shape", "3,8,8", *ONCE, "--precision", "int8"]
        assert_refused(nnrun("bench", *flags), 3, "int8", "quanti")

    @pytest.fixture
    def quantised(self, tmp_path):
        net = Net().add("Input", "in0").add("InnerProduct", "out0", "0=2 1=0 2=8 8=2")
        net.tagged(np.arange(8) / 8).raw(np.full(2, 100.0)).raw(np.full(1, 100.0))
        return [*net.write(tmp_path), "--shape", "4", *ONCE]

    @pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
    def test_a_quantised_net_needs_int8(self, nnrun: Run, quantised, precision):
        assert_refused(nnrun("bench", *quantised, "--precision", precision), 3, "int8")

    def test_a_quantised_net_runs_in_int8(self, nnrun: Run, tmp_path, quantised):
        outcome = nnrun("bench", *quantised, "--precision", "int8", "--save-outputs", tmp_path)
        assert outcome.line("header")["precision"]["label"].startswith("int8+")
        assert "(" not in outcome.line("header")["precision"]["label"]
        expected = (np.arange(8) / 8).reshape(2, 4) @ random_tensor((4,))
        np.testing.assert_allclose(values_of(tmp_path / "out0.f32"), expected, atol=0.03)

    def test_a_net_that_is_int8_in_part_says_in_how_much_of_it(self, nnrun: Run, tmp_path):
        net = Net().add("Input", "in0").add("InnerProduct", "mid", "0=4 1=0 2=16 8=2")
        net.tagged(np.arange(16) / 16).raw(np.full(4, 100.0)).raw(np.full(1, 100.0))
        net.add("ReLU", "relu").add("InnerProduct", "out0", "0=2 1=0 2=8").tagged(np.arange(8) / 8)
        flags = [*net.write(tmp_path), "--shape", "4", *ONCE, "--precision", "int8"]
        precision = nnrun("bench", *flags).line("header")["precision"]
        assert precision["label"].startswith("int8+")
        assert precision["label"].endswith(" (1/2)")
        assert (precision["quantized_layers"], precision["layers"]) == (1, 3)


def wait_for_work(pid: int, seconds: float = 0.5) -> None:
    """Until it has computed so long: samples wait in memory, nothing else tells of them."""
    deadline = time.monotonic() + 60
    begun = time.clock_gettime(cpu_clock(pid))
    while time.clock_gettime(cpu_clock(pid)) - begun < seconds:
        assert time.monotonic() < deadline, "it does not compute"
        time.sleep(0.02)


def cpu_clock(pid: int) -> int:
    """Linux's clock of the CPU time of a process: (~pid << 3) | CPUCLOCK_SCHED."""
    return (~pid << 3) | 2


class TestEnding:
    @pytest.fixture
    def line(self, nnrun_path, tmp_path):
        return [nnrun_path, "bench", *small().write(tmp_path), "--shape", "3,16,16"]

    @pytest.fixture
    def endless(self, line):
        run = [*line, "--budget", "600", "--warmup", "1", "--threads", "1"]
        with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as process:
            yield process
            process.kill()

    @pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_saves_the_samples(self, endless, stop):
        assert '"header"' in endless.stdout.readline()
        wait_for_work(endless.pid)
        endless.send_signal(stop)
        written = endless.stdout.read()
        assert endless.wait(30) != 0
        assert '"sample"' in written
        assert '"summary"' not in written
        assert written.endswith("\n")

    def test_a_full_disk_is_exit_5(self, line):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*line, *ONCE], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 5
        assert "No space left" in done.stderr

    def test_a_closed_pipe_is_exit_5(self, line):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*line, *ONCE], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
        )
        os.close(writer)
        assert done.returncode == 5
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize("folder", ["none", "file"])
    def test_a_folder_that_is_none_is_exit_5(self, nnrun: Run, tmp_path, folder):
        (tmp_path / "file").write_text("")
        flags = [*small().write(tmp_path), "--shape", "3,8,8", *ONCE]
        outcome = nnrun("bench", *flags, "--save-outputs", tmp_path / folder)
        assert_refused(outcome, 5, folder)
        assert outcome.stdout == ""


def test_a_net_of_two_inputs_is_fed_both(nnrun: Run, tmp_path):
    """The second one of the next seed; the shapes are in the order of the .param."""
    net = Net().add("Input", "in0").add("Input", "in1", bottoms=[])
    net.add("Reshape", "flat", "0=-1", bottoms=["in0"])
    net.add("Concat", "out0", "0=0", bottoms=["flat", "in1"])
    flags = ["--precision", "fp32", "--loops", "2", "--warmup", "0", "--save-outputs", tmp_path]
    shapes = ["--shape", "2,3,4", "--shape", "5"]
    outcome = nnrun("bench", *net.write(tmp_path), *flags, *shapes, "--seed", "7", "--cold")
    assert outcome.code == 0, outcome
    assert len(outcome.of("sample")) == 2
    assert outcome.line("header")["input"]["further"] == [[5]]
    first, second = random_tensors([(2, 3, 4), (5,)], 7)
    result = np.fromfile(tmp_path / "out0.f32", "<f4")
    assert np.array_equal(result, [*first.ravel(), *second])


def test_too_few_shapes_are_refused(nnrun: Run, tmp_path):
    net = Net().add("Input", "in0").add("Input", "in1", bottoms=[])
    net.add("Concat", "out0", "0=0", bottoms=["in0", "in1"])
    outcome = nnrun("bench", *net.write(tmp_path), "--loops", "1", "--shape", "5")
    assert outcome.code != 0
    assert "2 inputs (in0, in1)" in outcome.stderr
