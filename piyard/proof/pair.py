"""A converted net as this machine computes it: exactly, and with halves imitated."""

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
    """A converted net with its weights in full, and in halves."""

    full: Any
    half: Any
    layers: list[Layer]
    """With the masks that the boards get."""

    def exact(self, *values: Array) -> dict[str, Array]:
        """The outputs in fp32."""
        return infer.run(self.full, *values)

    def rounded(self, *values: Array, spared: AbstractSet[str] = frozenset()) -> dict[str, Array]:
        """The outputs as fp16 storage leaves them; ``spared`` are layers beside the masked ones."""
        every = self.every_rounded(*values, spared=spared)
        return {name: every[name] for name in infer.outputs(self.half)}

    def computes(self, way: str) -> Callable[..., list[Array]]:
        """The net as a function in ``COMPUTED``'s way, with the outputs in order."""
        run = {"fp32": self.exact, "fp16": self.rounded}[way]
        return lambda *values: list(run(*values).values())

    def every_rounded(
        self, *values: Array, spared: AbstractSet[str] = frozenset()
    ) -> dict[str, Array]:
        """The same for every blob."""
        kept = masks.in_fp32(self.layers) | spared
        return infer.every_rounded(self.full, self.half, self.layers, *values, spared=kept)


def pair(full: Path, half: Path, stem: str = infer.STEM) -> Pair:
    """The net of that stem in both folders."""
    return Pair(
        full=infer.load(full, stem), half=infer.load(half, stem), layers=infer.layers(full, stem)
    )
