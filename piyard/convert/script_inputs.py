"""What a frozen TorchScript program shows of its inputs: how many there are, and the channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from piyard.convert.script_cutting import CONVOLUTIONS, ScriptValue
from piyard.convert.torchscript import ScriptProgram

PASSING = frozenset(
    {"aten::sub", "aten::div", "aten::mul", "aten::add", "aten::to", "aten::contiguous"}
    | {"aten::pad", "aten::constant_pad_nd", "aten::clone", "aten::detach", "aten::rsub"}
)
"""What a picture may go through before the first convolution without a change of its channels."""
TENSOR = "TensorType"


def script_inputs(frozen_program: ScriptProgram) -> list[str]:
    """The names of its inputs that are tensors."""
    values = list(frozen_program.graph.inputs())[1:]  # the first one is the module itself
    return [_plain_name(value) for value in values if value.type().kind() == TENSOR]


def script_channels(frozen_program: ScriptProgram) -> int:
    """Of its first input, as the convolutions over it show; 0 where none does, or they differ."""
    values = list(frozen_program.graph.inputs())[1:2]
    counts = {channels for value in values for channels in _convolved_channels(value)}
    return counts.pop() if len(counts) == 1 else 0


def _convolved_channels(value: ScriptValue) -> Iterator[int]:
    for use in value.uses():
        node = use.user
        if node.kind() in CONVOLUTIONS and use.offset == 0:
            yield _input_channels(node)
        elif node.kind() in PASSING:
            yield from _convolved_channels(node.output())


def _input_channels(convolution: Any) -> int:
    """Those of a weight (out, channels in a group, rows, columns), times the groups."""
    inputs = list(convolution.inputs())
    # conv2d(x, weight, bias, stride, padding, dilation, groups); the others have two more before.
    groups = inputs[6 if convolution.kind() == "aten::conv2d" else 8].toIValue()
    return int(inputs[1].toIValue().shape[1]) * int(groups)


def _plain_name(value: ScriptValue) -> str:
    """As the author wrote it: torch adds a dot and a number."""
    name: str = value.debugName()
    return name.rpartition(".")[0] or name
