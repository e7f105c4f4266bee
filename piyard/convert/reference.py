"""Reference models that torch computes, and what every reference model can do.

A reference model is a network as its authors publish it, which the converted one must agree with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from piyard.convert.attempts import LoweringInputs, lower_network
from piyard.convert.lint import LayerNames
from piyard.convert.lowering import ProgramWriter
from piyard.convert.ncnn_net import output_blobs
from piyard.convert.output_kinds import choose_output, find_producers, output_kind
from piyard.convert.param import MAIN_STEM, Layer, read_param
from piyard.convert.script_program import SandboxedProgram
from piyard.convert.torchscript import script_errors
from piyard.core.errors import ConversionFailed

if TYPE_CHECKING:
    import torch

    from piyard.vision.schema import Floats


ReferenceSize = dict[str, int]
"""``params`` and ``macs``, the multiply-accumulates of one inference."""


class ReferenceModel(Protocol):
    """A network that can be run on this machine, and lowered to ncnn."""

    @property
    def kind(self) -> str:
        """What computes the reference, for people: torch, onnxruntime, ncnn."""

    @property
    def is_program(self) -> bool:
        """Whether there is something else to compare ncnn with."""

    def run(self, *inputs: Floats) -> list[Floats]:
        """The outputs in the layout of ``piyard.model.head``, for inputs (c, h, w)."""

    def tensors(self, *inputs: Floats) -> Iterator[tuple[str, Floats]]:
        """All intermediate tensors in order, each with the name of where it is computed."""

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """Write ncnn's files and pnnx's own into the folder (see ``lowering.KEPT_ENDINGS``)."""

    def names(self) -> LayerNames:
        """Its names of layers with weights, where pnnx does not keep them."""

    def output_names(self, count: int) -> list[str]:
        """The names of its outputs in order, ``count`` of them."""

    def size(self) -> ReferenceSize | None:
        """Counted in the original; None where that is impossible."""


class LogProbabilities(msgspec.Struct, frozen=True, kw_only=True):
    """An original whose output with the classes is exponentiated."""

    inner: ReferenceModel
    output: str
    """As ``Model.output``."""
    classes: int

    @property
    def kind(self) -> str:
        """The inner one's."""
        return self.inner.kind

    @property
    def is_program(self) -> bool:
        """The inner one's."""
        return self.inner.is_program

    def run(self, *inputs: Floats) -> list[Floats]:
        """The outputs, those of the classes as probabilities."""
        import numpy as np

        outputs = self.inner.run(*inputs)
        place = self._place([int(output.size) for output in outputs])
        return [
            np.exp(output) if number == place else output for number, output in enumerate(outputs)
        ]

    def tensors(self, *inputs: Floats) -> Iterator[tuple[str, Floats]]:
        """See ``ReferenceModel``."""
        yield from self.inner.tensors(*inputs)

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """See ``ReferenceModel``; the last logarithm is left out of the .param."""
        layers = self.inner.lower(at, half=half)
        names = output_blobs(layers)
        place = self._place([0] * len(names)) if self.output else 0
        return _without_log(at / f"{MAIN_STEM}.ncnn.param", layers, names[place])

    def names(self) -> LayerNames:
        """See ``ReferenceModel``."""
        return self.inner.names()

    def output_names(self, count: int) -> list[str]:
        """See ``ReferenceModel``."""
        return self.inner.output_names(count)

    def size(self) -> ReferenceSize | None:
        """See ``ReferenceModel``."""
        return self.inner.size()

    def _place(self, sizes: Sequence[int]) -> int:
        return choose_output(self.output, self.output_names(len(sizes)), sizes, self.classes)


def _without_log(file: Path, layers: Sequence[Layer], output: str) -> list[Layer]:
    """The layers without the one that makes that output, which is what it reads instead."""
    makers_by_blob = find_producers(layers)
    last = next(layer for layer in layers if output in layer.tops)
    if (
        output_kind(makers_by_blob, output) != "log-probabilities"
        or makers_by_blob[output].kind != "log"
    ):
        raise ConversionFailed(
            "the network does not end in the logarithm of probabilities",
            remedy="correct `activation` in the model's YAML, or --activation",
        )
    (source,) = last.bottoms
    lines = file.read_text(encoding="utf-8").splitlines()
    magic, counts, *rest = [line for line in lines if line.strip()]
    renamed = [_rename_blob(line, source, output) for line in rest if line.split()[1] != last.name]
    numbers = " ".join(str(int(count) - 1) for count in counts.split())
    file.write_text("\n".join([magic, numbers, *renamed, ""]), encoding="utf-8")
    return read_param(file)


def _rename_blob(line: str, old: str, new: str) -> str:
    """A layer's line with that blob under another name; settings stay."""
    words = line.split()
    end = 4 + int(words[2]) + int(words[3])
    return " ".join(new if 4 <= at < end and word == old else word for at, word in enumerate(words))


class ProgramReference(msgspec.Struct, frozen=True, kw_only=True):
    """What references have in common that become a program for pnnx."""

    shapes: list[tuple[int, ...]]
    """(channels, rows, columns) of each input."""
    others: list[tuple[int, ...]] = []
    """Shapes it must be able to take too."""
    write: ProgramWriter
    chosen: list[ProgramWriter] = []
    """See ``LoweringInputs``."""
    stem: str = MAIN_STEM
    kind: str = "torch"
    is_program: bool = True

    def lowering_inputs(self, **network: Any) -> LoweringInputs:
        """For ``lower_network``: the network, and what it has beside the fields here."""
        return LoweringInputs(
            write=self.write,
            shapes=batch_shapes(self.shapes),
            others=batch_shapes(self.others),
            stem=self.stem,
            chosen=self.chosen,
            **network,
        )


class TorchReference(ProgramReference, frozen=True, kw_only=True):
    """A module in evaluation mode, and how it becomes a program for pnnx."""

    network: Any
    """``torch.nn.Module``."""

    def run(self, *inputs: Floats) -> list[Floats]:
        """torch's outputs, the strides of the inputs kept. Raises ``ConversionFailed``."""
        with script_errors("the network", [values.shape for values in inputs]):
            output = self.network(*_batched(inputs))
        return [single[0].numpy() for single in _output_tensors(output)]

    def tensors(self, *inputs: Floats) -> Iterator[tuple[str, Floats]]:
        """The output of every operation, named by the module that called it."""
        from piyard.convert.tensor_watch import watch_tensors

        for name, value in watch_tensors(self.network, _batched(inputs)):
            yield name, value.numpy()

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """See ``ReferenceModel``."""
        inputs = self.lowering_inputs(network=self.network, run=self.run)
        return lower_network(inputs, at, half=half)

    def names(self) -> LayerNames:
        """None that pnnx does not keep."""
        return {}

    def output_names(self, count: int) -> list[str]:
        """A program does not name them: ``out`` and a number, as pnnx calls them."""
        return [f"out{number}" for number in range(count)]

    def size(self) -> ReferenceSize | None:
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


def _output_tensors(output: Any) -> Sequence[torch.Tensor]:
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


def _batched(inputs: Sequence[Floats]) -> list[torch.Tensor]:
    import torch

    return [torch.from_numpy(values).unsqueeze(0) for values in inputs]


def batch_shapes(shapes: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """The shapes of batches of one."""
    return [(1, *shape) for shape in shapes]


FAST_PATH = frozenset(
    {"aten::_native_multi_head_attention", "aten::_transformer_encoder_layer_fwd"}
)
"""What torch's attention is in a trace that was made without gradients."""


class ScriptReference(ProgramReference, frozen=True, kw_only=True):
    """A file's program, cut where the model's YAML says."""

    program: SandboxedProgram

    def run(self, *inputs: Floats) -> list[Floats]:
        """torch's outputs. Raises ``ConversionFailed``."""
        return self.program.run(*inputs)

    def tensors(self, *inputs: Floats) -> Iterator[tuple[str, Floats]]:
        """The output of every operation, named by the module that called it."""
        yield from self.program.tensors(*inputs)

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """See ``ReferenceModel``; pnnx, which runs the program too, has no more rights than it."""
        inputs = self.lowering_inputs(network=self.program, run=self.run, need=self.program.need)
        try:
            return lower_network(inputs, at, half=half)
        except ConversionFailed:
            self._require_slow_path()
            raise

    def _require_slow_path(self) -> None:
        """Raise ``ConversionFailed`` for what torch computes apart, where gradients are off."""
        fused = [node.kind for node in self.program.describe().nodes if node.kind in FAST_PATH]
        if fused:
            raise ConversionFailed(
                f"the trace has attention as one operation, {fused[0]}, which neither pnnx nor ONNX"
                " knows",
                remedy="call torch.backends.mha.set_fastpath_enabled(False) before torch.jit.trace",
            )

    def names(self) -> LayerNames:
        """None that pnnx does not keep."""
        return {}

    def output_names(self, count: int) -> list[str]:
        """The keys of a dictionary; else ``out`` and a number, as pnnx calls them."""
        keys = self.program.describe().keys
        return keys if len(keys) == count else [f"out{number}" for number in range(count)]

    def size(self) -> ReferenceSize | None:
        """Parameters, and what torch counts; None for a program whose weights are constants."""
        return self.program.count(self.shapes)
