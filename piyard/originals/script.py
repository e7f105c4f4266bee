"""A TorchScript file: a program, which is run in a process without the user's rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard import scratch
from piyard.conversion import lowering, programs
from piyard.conversion.origins import Names
from piyard.conversion.param import Layer
from piyard.originals.original import Size
from piyard.torchscript.program import SandboxedProgram

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


class ScriptFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file's program, cut where the model's YAML says."""

    program: SandboxedProgram
    shapes: list[tuple[int, ...]]
    """(channels, rows, columns) of each input."""
    others: list[tuple[int, ...]] = []
    """Shapes it must be able to take too."""
    write: programs.Write
    stem: str = lowering.STEM
    kind: str = "torch"
    is_program: bool = True

    def run(self, *inputs: Array) -> list[Array]:
        """torch's outputs. Raises ``ConversionFailed``."""
        return self.program.run(*inputs)

    def tensors(self, *inputs: Array) -> Iterator[tuple[str, Array]]:
        """The output of every operation, named by the module that called it."""
        yield from self.program.tensors(*inputs)

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """See ``Original``; pnnx, which runs the program too, has no more rights than it."""
        shapes = [(1, *shape) for shape in self.shapes]
        others = [(1, *shape) for shape in self.others]
        with scratch.folder("piyard-lower-") as folder:
            program = self.write(self.program, shapes, others, folder, self.stem)
            return lowering.lower(
                program, shapes, at, half=half, others=others, need=self.program.need
            )

    def names(self) -> Names:
        """None that pnnx does not keep."""
        return {}

    def output_names(self, count: int) -> list[str]:
        """A program does not name them: ``out`` and a number, as pnnx calls them."""
        return [f"out{number}" for number in range(count)]

    def size(self) -> Size | None:
        """Parameters, and what torch counts; None for a program whose weights are constants."""
        return self.program.count(self.shapes)
