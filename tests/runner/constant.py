"""A net that gives the same outputs whatever picture it is shown, so that a test knows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.runner.nets import Floats, Net


def constant(outputs: Sequence[Floats], folder: Path, name: str = "constant") -> list[str]:
    """Both files, and the flags that name them and the outputs; each has 1 to 3 dimensions."""
    net = Net().add("Input", "in0")
    flags = ["--precision", "fp32"]
    for i, values in enumerate(outputs):
        sides = " ".join(f"{key}={side}" for key, side in enumerate(reversed(values.shape)))
        net.add("MemoryData", f"out{i}", sides, bottoms=[]).raw(values)
        flags += ["--output-blob", f"out{i}"]
    return [*net.write(folder, name), *flags]
