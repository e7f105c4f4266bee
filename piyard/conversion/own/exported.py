"""A view of a network file for finding where to cut it: tensors, their operations and inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from piyard import onnxgraph, torchscript
from piyard.conversion.own.undecoded import Kind, Step
from piyard.torchscript.program import SandboxedProgram

Shapes = Mapping[str, Sequence[int]]
"""By the name of a tensor; with the batch in front."""

CONVOLUTION: Kind = "convolution"
SIGMOID: Kind = "sigmoid"
PASSING: Kind = "passing"
JOIN: Kind = "join"
PASSED = "clamp contiguous dropout flatten select slice squeeze to unsqueeze"
OF_ONNX: dict[str, Kind] = {
    "Conv": "convolution",
    "Mul": "scale",
    "Exp": "scale",
    "Relu": "scale",
    "Softmax": "softmax",
    "Reshape": "reshape",
    "Transpose": "reshape",
    "Shape": "size",
    "Constant": "constant",
    "LogSoftmax": "log_softmax",
    "Log": "log",
    "Div": "divide",
    "ReduceSum": "sum",
    "Concat": JOIN,
    **dict.fromkeys(("Sigmoid", "HardSigmoid"), SIGMOID),
    **dict.fromkeys(
        ["Cast", "Clip", "Dropout", "Flatten", "Identity", "Slice", "Squeeze", "Unsqueeze"], PASSING
    ),
}
OF_TORCH: dict[str, Kind] = dict.fromkeys(torchscript.CONVOLUTIONS, CONVOLUTION) | {
    "aten::mul": "scale",
    "aten::exp": "scale",
    "aten::relu": "scale",
    "aten::softmax": "softmax",
    "aten::view": "reshape",
    "aten::reshape": "reshape",
    "aten::transpose": "reshape",
    "aten::permute": "reshape",
    "aten::size": "size",
    "prim::Constant": "constant",
    "aten::log_softmax": "log_softmax",
    "aten::log": "log",
    "aten::div": "divide",
    "aten::sum": "sum",
    "aten::rsub": "complement",
    **dict.fromkeys(("aten::sigmoid", "aten::hardsigmoid"), SIGMOID),
    **dict.fromkeys(("aten::cat", "aten::stack", "prim::ListConstruct"), JOIN),
    **{f"aten::{name}": PASSING for name in PASSED.split()},
}


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """Tensors by the names at which the file can be cut."""

    outputs: list[str]
    steps: dict[str, Step]
    unnamed: frozenset[str] = frozenset()
    """Tensors without a name in the file, which have a made-up one here."""
    shapes: Callable[[Sequence[str]], Shapes]
    """The shapes of these tensors, perhaps of others too."""


def read(file: Path, network: str, shape: Sequence[int]) -> Exported | None:
    """The file's network for an input (channels, rows, columns); None for another kind of file.

    Raises ``ConversionFailed`` for a file that cannot be read, or does not work at that size.
    """
    if network == "onnx":
        return _of_graph(file, shape)
    return _of_program(file, shape) if network == "torchscript" else None


def _of_graph(file: Path, shape: Sequence[int]) -> Exported:
    graph = onnxgraph.sized(onnxgraph.renewed(onnxgraph.read(file)), [(1, *shape)])
    steps = {
        name: Step(OF_ONNX.get(node.op_type, "other"), tuple(node.input))
        for node in graph.graph.node
        for name in node.output
    }
    outputs = [value.name for value in graph.graph.output]
    return Exported(outputs=outputs, steps=steps, shapes=lambda _: onnxgraph.shapes(graph))


def _of_program(file: Path, shape: Sequence[int]) -> Exported:
    program = SandboxedProgram(file)
    described = program.describe()
    steps = {
        node.name: Step(OF_TORCH.get(node.kind, "other"), tuple(node.inputs))
        for node in described.nodes
    }
    return Exported(
        outputs=described.outputs,
        steps=steps,
        unnamed=frozenset(steps) - frozenset(described.named),
        shapes=lambda names: program.shapes(names, shape),
    )
