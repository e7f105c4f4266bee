"""A converted net as this machine computes it: in fp32, and with fp16 simulated."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import infer
from piyard.conversion import masks
from piyard.conversion.param import Layer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

COMPUTED = {
    "fp32": "fp32 throughout",
    "fp16": "weights and every layer's output rounded to fp16, sums in fp32",
}


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A converted net with weights in fp32, and in fp16."""

    full: Any
    half: Any
    layers: list[Layer]
    """With the masks that the boards get."""

    def run_fp32(self, *values: Array) -> dict[str, Array]:
        """The outputs in fp32."""
        return infer.run(self.full, *values)

    def run_fp16(
        self, *values: Array, keep_fp32: AbstractSet[str] = frozenset()
    ) -> dict[str, Array]:
        """The outputs with fp16 storage; ``keep_fp32`` names layers beside the masked ones."""
        every = self.all_blobs_fp16(*values, keep_fp32=keep_fp32)
        return {name: every[name] for name in infer.outputs(self.half)}

    def computes(self, precision: str) -> Callable[..., list[Array]]:
        """The net as a function in ``COMPUTED``'s precision, with the outputs in order."""
        run = {"fp32": self.run_fp32, "fp16": self.run_fp16}[precision]
        return lambda *values: list(run(*values).values())

    def all_blobs_fp16(
        self, *values: Array, keep_fp32: AbstractSet[str] = frozenset()
    ) -> dict[str, Array]:
        """The same for every blob."""
        kept = masks.in_fp32(self.layers) | keep_fp32
        return infer.every_rounded(self.full, self.half, self.layers, *values, keep_fp32=kept)


def pair(full: Path, half: Path, stem: str = infer.STEM) -> Pair:
    """The net of that stem in both folders."""
    return Pair(
        full=infer.load(full, stem), half=infer.load(half, stem), layers=infer.layers(full, stem)
    )
