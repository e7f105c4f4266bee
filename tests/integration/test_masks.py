"""A layer that must not see halves (31=3), on a CPU that has them: it gets floats."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from piyard.build import Build
from piyard.emulator import EmulatedBoard
from tests.runner.nets import Net

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(600)]


def net(mask: str, masked: str) -> Net:
    """Two convolutions, sums of squares and an inner product; one kind of layer has the mask."""
    rng = np.random.default_rng(3)

    def of(kind: str) -> str:
        return mask if kind == masked else ""

    made = Net().add("Input", "in0").add("Convolution", "first", "0=8 1=3 4=1 5=1 6=216")
    made.tagged(rng.normal(size=216)).raw(rng.normal(size=8))
    made.add("Convolution", "second", f"0=8 1=3 4=1 5=1 6=576 {of('Convolution')}")
    made.tagged(rng.normal(size=576) / 9).raw(rng.normal(size=8))
    made.add("Reduction", "sums", f"0=8 1=0 -23303=2,1,2 4=1 5=1 {of('Reduction')}")
    made.add("InnerProduct", "out0", f"0=10 1=1 2=80 {of('InnerProduct')}")
    return made.tagged(rng.normal(size=80) / 9).raw(rng.normal(size=10))


def output(nnrun: Path, folder: Path, made: Net, precision: str) -> np.ndarray:
    folder.mkdir()
    done = subprocess.run(
        [
            *(
                str(nnrun),
                "bench",
                *made.write(folder),
                "--shape",
                "3,16,16",
                "--precision",
                precision,
            ),
            *("--threads", "1", "--loops", "1", "--warmup", "0", "--save-outputs", str(folder)),
        ],
        env=os.environ | {"QEMU_CPU": "cortex-a76"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return np.fromfile(folder / "out0.f32", dtype="<f4")


@pytest.mark.parametrize("masked", ["Convolution", "Reduction", "InnerProduct", "none"])
def test_a_masked_layer_computes_as_without_halves(
    emulated_rpi5: EmulatedBoard, rpi5_build: Build, tmp_path: Path, masked: str
) -> None:
    exact = output(rpi5_build.nnrun, tmp_path / "exact", net("", "none"), "fp32")
    found = output(rpi5_build.nnrun, tmp_path / "found", net("31=3", masked), "fp16")
    assert np.abs(found - exact).max() < 0.01 * np.abs(exact).max()
    assert not np.array_equal(found, exact), "nothing was computed with halves"
