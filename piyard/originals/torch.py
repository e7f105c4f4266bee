"""A network of torch: one that piyard builds, or a TorchScript file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import scratch, torchscript
from piyard.conversion import lowering, programs
from piyard.conversion.origins import Names
from piyard.conversion.param import Layer
from piyard.errors import ConversionFailed
from piyard.originals.original import Size

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


class TorchNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A module in evaluation mode, and how it becomes a program for pnnx."""

    network: Any
    """``torch.nn.Module``."""
    shapes: list[tuple[int, ...]]
    """(channels, rows, columns) of each input."""
    others: list[tuple[int, ...]] = []
    """Shapes it must be able to take too."""
    write: programs.Write
    stem: str = lowering.STEM
    kind: str = "torch"
    is_program: bool = True

    def run(self, *inputs: Array) -> list[Array]:
        """torch's outputs, the strides of the inputs kept. Raises ``ConversionFailed``."""
        with torchscript.running("the network", [values.shape for values in inputs]):
            output = self.network(*_batched(inputs))
        return [single[0].numpy() for single in _tensors(output)]

    def tensors(self, *inputs: Array) -> Iterator[tuple[str, Array]]:
        """The output of every operation, named by the module that called it."""
        from piyard.originals.watch import watch

        for name, value in watch(self.network, _batched(inputs)):
            yield name, value.numpy()

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """See ``Original``."""
        shapes, others = _with_batch(self.shapes), _with_batch(self.others)
        with scratch.folder("piyard-lower-") as place:
            program = self.write(self.network, shapes, others, place, self.stem)
            return lowering.lower(program, shapes, at, half=half, others=others)

    def names(self) -> Names:
        """None that pnnx does not keep."""
        return {}

    def output_names(self, count: int) -> list[str]:
        """A program does not name them: ``out`` and a number, as pnnx calls them."""
        return [f"out{number}" for number in range(count)]

    def size(self) -> Size | None:
        """Parameters, and what torch counts in convolutions and matrices.

        None for a program whose weights are constants.
        """
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        params = sum(values.numel() for values in self.network.parameters())
        if not params:
            return None
        with FlopCounterMode(display=False) as counter:
            self.network(*(torch.zeros(1, *shape) for shape in self.shapes))
        return {"params": params, "macs": counter.get_total_flops() // 2}


def _tensors(output: Any) -> Sequence[torch.Tensor]:
    """One or several tensors, each with the batch of one in front: all that pnnx makes outputs."""
    import torch

    outputs = output if isinstance(output, (tuple, list)) else [output]
    if not outputs or not all(
        isinstance(tensor, torch.Tensor) and tensor.dim() and len(tensor) == 1 for tensor in outputs
    ):
        raise ConversionFailed(
            "the network's output is neither a tensor nor a tuple of tensors for a batch of one",
            remedy="save a network that returns tensors, or name those that count: --cut",
        )
    return outputs


def _batched(inputs: Sequence[Array]) -> list[torch.Tensor]:
    import torch

    return [torch.from_numpy(values).unsqueeze(0) for values in inputs]


def _with_batch(shapes: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    return [(1, *shape) for shape in shapes]
