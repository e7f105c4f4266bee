"""What every reference model can do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from piyard.conversion.origins import Names
from piyard.conversion.param import Layer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

Size = dict[str, int]
"""``params`` and ``macs``, the multiply-accumulates of one inference."""


class Original(Protocol):
    """A network that can be run on this machine, and lowered to ncnn."""

    @property
    def kind(self) -> str:
        """What computes the reference, for people: torch, onnxruntime, ncnn."""

    @property
    def is_program(self) -> bool:
        """Whether there is something else to compare ncnn with."""

    def run(self, *inputs: Array) -> list[Array]:
        """The outputs in the layout of ``piyard.model.head``, for inputs (c, h, w)."""

    def tensors(self, *inputs: Array) -> Iterator[tuple[str, Array]]:
        """All intermediate tensors in order, each with the name of where it is computed."""

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """Write ncnn's files and pnnx's own into the folder (see ``lowering.ENDINGS``)."""

    def names(self) -> Names:
        """Its names of layers with weights, where pnnx does not keep them."""

    def output_names(self, count: int) -> list[str]:
        """The names of its outputs in order, ``count`` of them."""

    def size(self) -> Size | None:
        """Counted in the original; None where that is impossible."""
