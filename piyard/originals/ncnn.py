"""A ready pair of ncnn's files: what it was converted from is not here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard import infer
from piyard.conversion import lint, lowering, pairing, param
from piyard.conversion.origins import Names
from piyard.conversion.param import Layer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


class NcnnPair(msgspec.Struct, frozen=True, kw_only=True):
    """A .param and a .bin that were converted elsewhere."""

    param: Path
    bin: Path
    stem: str = lowering.STEM
    kind: str = "ncnn"
    is_program: bool = False

    def run(self, *inputs: Array) -> list[Array]:
        """ncnn's own outputs, in fp32: they prove nothing about the pair."""
        return list(infer.run(infer.load_pair(self.param, self.bin), *inputs).values())

    def tensors(self, *inputs: Array) -> Iterator[tuple[str, Array]]:
        """Every blob by its name."""
        yield from infer.blobs(
            infer.load_pair(self.param, self.bin), param.read(self.param), *inputs
        ).items()

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """Copy the pair; its weights stay as they are stored, whatever ``half`` is."""
        del half
        pairing.require(self.param, self.bin)
        shutil.copyfile(self.param, at / f"{self.stem}.ncnn.param")
        shutil.copyfile(self.bin, at / f"{self.stem}.ncnn.bin")
        return lint.require(at, self.stem)

    def names(self) -> Names:
        """None that pnnx does not keep."""
        return {}

    def output_names(self, count: int) -> list[str]:
        """The .param's names of them."""
        return infer.outputs_of(param.read(self.param))[:count]

    def size(self) -> dict[str, int] | None:
        """Counted in ncnn's graph, as for everything that is none of torch's."""
        return None
