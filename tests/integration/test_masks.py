"""Layers that sum in floats on a CPU that has halves: masked ones (31), depthwise convolutions."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from piyard.board.emulator import EmulatedBoard
from piyard.build.builder import Build
from tests.runner.nets import Net

pytestmark = [pytest.mark.docker, pytest.mark.board]


def net(mask: str, masked: str) -> Net:
    """Two convolutions, sums of squares and an inner product; one kind of layer has the mask."""
    rng = np.random.default_rng(3)

    def of(kind: str) -> str:
        return mask if kind == masked else ""

    result = Net().add("Input", "in0").add("Convolution", "first", "0=8 1=3 4=1 5=1 6=216")
    result.tagged(rng.normal(size=216)).raw(rng.normal(size=8))
    result.add("Convolution", "second", f"0=8 1=3 4=1 5=1 6=576 {of('Convolution')}")
    result.tagged(rng.normal(size=576) / 9).raw(rng.normal(size=8))
    result.add("Reduction", "sums", f"0=8 1=0 -23303=2,1,2 4=1 5=1 {of('Reduction')}")
    result.add("InnerProduct", "out0", f"0=10 1=1 2=80 {of('InnerProduct')}")
    return result.tagged(rng.normal(size=80) / 9).raw(rng.normal(size=10))


def run(nnrun: Path, argv: list[str]) -> str:
    """What it prints on the CPU of a Pi 5."""
    done = subprocess.run(
        [str(nnrun), *argv],
        env=os.environ | {"QEMU_CPU": "cortex-a76"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def output(nnrun: Path, folder: Path, net: Net, precision: str) -> np.ndarray:
    folder.mkdir()
    shown = ["--shape", "3,16,16", "--precision", precision, "--save-outputs", str(folder)]
    once = ["--threads", "1", "--loops", "1", "--warmup", "0"]
    run(nnrun, ["bench", *net.write(folder), *shown, *once])
    return np.fromfile(folder / "out0.f32", dtype="<f4")


@pytest.mark.parametrize("mask", [1, 2, 3])
@pytest.mark.parametrize("masked", ["Convolution", "Reduction", "InnerProduct"])
def test_a_masked_layer_computes_as_without_halves(
    emulated_rpi5: EmulatedBoard, rpi5_build: Build, tmp_path: Path, masked: str, mask: int
) -> None:
    exact = output(rpi5_build.nnrun, tmp_path / "exact", net("", "none"), "fp32")
    result = output(rpi5_build.nnrun, tmp_path / "found", net(f"31={mask}", masked), "fp16")
    assert np.abs(result - exact).max() < 0.01 * np.abs(exact).max()
    assert not np.array_equal(result, exact), "nothing was computed with halves"


def every_layer_masked(mask: int) -> Net:
    """Input → halves only at the ends, so the output is fp32's but for the input's rounding."""
    result = net("", "none")
    result.lines = [
        line if line.startswith("Input") else f"{line} 31={mask}" for line in result.lines
    ]
    return result


@pytest.mark.parametrize("mask", [1, 2, 3])
def test_a_net_that_is_masked_throughout_is_fp32s(
    emulated_rpi5: EmulatedBoard, rpi5_build: Build, tmp_path: Path, mask: int
) -> None:
    exact = output(rpi5_build.nnrun, tmp_path / "exact", net("", "none"), "fp32")
    result = output(rpi5_build.nnrun, tmp_path / "found", every_layer_masked(mask), "fp16")
    assert np.array_equal(result, exact)


class Depthwise:
    """A layer whose first and last weights nearly cancel, so that halves lose what is left."""

    def __init__(self, channels: int, kernel: tuple[int, int], stride: int, dilation: int) -> None:
        rng = np.random.default_rng(5)
        self.stride, self.dilation = stride, dilation
        self.weights = rng.normal(size=(channels, *kernel)).astype("<f4")
        self.weights[:, 0, 0], self.weights[:, -1, -1] = 2000, -2000
        self.bias = rng.normal(size=channels).astype("<f4")
        self.padding = [(0, 0)] + [(dilation * (side - 1) // 2,) * 2 for side in kernel]

    def net(self, more: str) -> Net:
        channels, height, width = self.weights.shape
        sizes = f"1={width} 11={height} 2={self.dilation} 3={self.stride} 6={self.weights.size}"
        padding = f"4={self.padding[2][0]} 14={self.padding[1][0]}"
        result = Net().add("Input", "in0")
        result.add(
            "ConvolutionDepthWise",
            "out0",
            f"0={channels} 5=1 7={channels} {sizes} {padding} {more}",
        )
        return result.tagged(self.weights).raw(self.bias)

    def sums(self, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Windows times weights, in doubles."""
        padded = np.pad(inputs.astype(float), self.padding)
        extent = [self.dilation * (side - 1) + 1 for side in weights.shape[1:]]
        seen = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(1, 2))
        step = self.stride
        taps = seen[:, ::step, ::step, :: self.dilation, :: self.dilation]
        return np.asarray(np.einsum("cyxij,cij->cyx", taps, weights.astype(float)))


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "": lambda x: x,
    "9=1": lambda x: np.maximum(x, 0),
    "9=2 -23310=1,0.125": lambda x: np.where(x > 0, x, x * 0.125),
    "9=3 -23310=2,0,6": lambda x: np.clip(x, 0, 6),
    "9=6 -23310=2,0.25,0.5": lambda x: x * np.clip(x * 0.25 + 0.5, 0, 1),
}


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "dilation", "size", "activation"),
    [
        (16, (3, 3), 1, 1, (9, 7), "9=3 -23310=2,0,6"),
        (8, (3, 3), 1, 1, (4, 3), ""),
        (8, (3, 3), 2, 1, (11, 14), "9=1"),
        (12, (3, 3), 1, 1, (6, 10), "9=2 -23310=1,0.125"),
        (24, (5, 5), 1, 1, (7, 13), "9=6 -23310=2,0.25,0.5"),
        (4, (5, 5), 2, 1, (10, 9), ""),
        (8, (3, 3), 1, 2, (9, 9), "9=1"),
        (8, (1, 7), 3, 1, (8, 16), ""),
        (3, (3, 3), 1, 1, (5, 9), "9=6 -23310=2,0.25,0.5"),
        (7, (5, 5), 2, 1, (12, 11), "9=1"),
    ],
)
@pytest.mark.parametrize("mask", ["", "31=1"])
def test_a_depthwise_convolution_sums_in_floats(
    emulated_rpi5: EmulatedBoard,
    rpi5_build: Build,
    tmp_path: Path,
    channels: int,
    kernel: tuple[int, int],
    stride: int,
    dilation: int,
    size: tuple[int, int],
    activation: str,
    mask: str,
) -> None:
    layer = Depthwise(channels, kernel, stride, dilation)
    inputs = np.random.default_rng(1).uniform(0.5, 1, size=(2, channels, *size))
    inputs = inputs.astype("<f2").astype("<f4")  # which halves hold
    inputs[1] = inputs[1, :, :1, :1]  # the same everywhere: there the large weights cancel
    net = layer.net(f"{activation} {mask}")
    for values, result in zip(
        inputs, computed(rpi5_build.nnrun, tmp_path, net, inputs), strict=True
    ):
        sums = layer.sums(values, layer.weights) + layer.bias[:, None, None]
        exact = ACTIVATIONS[activation](sums)
        rounding = 2e-6 * layer.sums(values, np.abs(layer.weights)) + 2**-10 * np.abs(exact)
        assert result.shape == exact.shape
        assert (np.abs(result - exact) <= rounding).all()


def computed(nnrun: Path, folder: Path, net: Net, inputs: np.ndarray) -> list[np.ndarray]:
    """The output of that net for each input, on the emulated CPU with halves and two threads."""
    files = [str(folder / f"{number}.npy") for number in range(len(inputs))]
    for file, values in zip(files, inputs, strict=True):
        np.save(file, values)
    flags = ["--precision", "fp16", "--threads", "2", "--save-outputs", str(folder)]
    done = run(nnrun, ["compute", *net.write(folder), *flags, "--", *files])
    lines = [json.loads(line) for line in done.splitlines()]
    result = [line for line in lines if line["type"] == "output"]
    return [np.fromfile(folder / each["file"], "<f4").reshape(each["shape"]) for each in result]
