"""What each layer takes of an emulated Pi 5's core, counted by the plugin."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.build.builder import Build
from piyard.measure.counted.layers import Cost, can_count, open_machine
from tests.runner.nets import Net

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not can_count(), reason="no qemu-aarch64 that takes plugins"),
]

SHAPE = (64, 64, 64)
BLOB_BYTES = 4 * 64**3


def count(build: Build, folder: Path, net: Net) -> dict[str, Cost]:
    net.write(folder)
    with open_machine(build.nnrun) as machine:
        return machine.count_layers(folder / "net.param", folder / "net.bin", [SHAPE], "fp32")


def test_a_layer_that_copies_nothing_moves_nothing(rpi5_build: Build, tmp_path: Path) -> None:
    """A blob that is taken out of the net's own pool would be copied, which no inference does."""
    net = Net().add("Input", "in0").add("BinaryOp", "sum", "0=0 1=1 2=1.5").add("Split", "a b")
    net.add("BinaryOp", "out0", "0=2", bottoms=["a", "b"])
    costs = count(rpi5_build, tmp_path, net)
    assert list(costs) == ["sum", "a", "out0"]
    assert costs["a"].instructions < 20_000
    assert costs["a"].bytes < BLOB_BYTES / 50
    assert costs["sum"].instructions > BLOB_BYTES / 4 / 4
    assert costs["out0"].cycles > costs["a"].cycles
