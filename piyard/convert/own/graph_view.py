"""A network file as steps between named tensors: ONNX, TorchScript, or an ncnn pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from piyard.convert.ncnn_net import load_net_files, output_blobs, run_blobs
from piyard.convert.net_size import CONVOLUTION_LAYERS, TRANSPOSED_LAYERS
from piyard.convert.onnx.graph import graph_input_shapes, set_input_shapes, tensor_shapes
from piyard.convert.onnx.inputs import turn_inputs
from piyard.convert.onnx.precision import read_network
from piyard.convert.onnx_reference import load_onnx
from piyard.convert.own.program_file import describe_program
from piyard.convert.param import Layer, read_param
from piyard.convert.script_cutting import CONVOLUTIONS
from piyard.convert.script_program import SandboxedProgram

StepKind = Literal[
    "convolution",
    "scale",
    "softmax",
    "rotation",
    "reshape",
    "size",
    "constant",
    "other",
    "sigmoid",
    "log",
    "log_softmax",
    "divide",
    "sum",
    "suppression",
    "complement",
    "join",
    "passing",
    "argmax",
]
"""``scale`` is elementwise: a product, an exponential, a ReLU; ``rotation`` is a sine or cosine.
Those after ``other`` matter to how a classifier ends (see ``conversion.ending``)."""


class GraphStep(msgspec.Struct, frozen=True):
    """The operation a tensor is the result of, and its inputs."""

    kind: StepKind
    inputs: tuple[str, ...]


TensorShapes = Mapping[str, Sequence[int]]
"""By the name of a tensor; with the batch in front."""


CONVOLUTION: StepKind = "convolution"


SIGMOID: StepKind = "sigmoid"


PASSING: StepKind = "passing"


ROTATION: StepKind = "rotation"


JOIN: StepKind = "join"


SUPPRESSION: StepKind = "suppression"


PASSING_OPERATORS = "clamp contiguous dropout flatten select slice squeeze to unsqueeze"


ONNX_KINDS: dict[str, StepKind] = {
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
    "ArgMax": "argmax",
    "NonMaxSuppression": SUPPRESSION,
    **dict.fromkeys(("Cos", "Sin"), ROTATION),
    **dict.fromkeys(("Sigmoid", "HardSigmoid"), SIGMOID),
    **dict.fromkeys(
        ["Cast", "Clip", "Dropout", "Flatten", "Identity", "Slice", "Squeeze", "Unsqueeze"], PASSING
    ),
}


TORCH_KINDS: dict[str, StepKind] = dict.fromkeys(CONVOLUTIONS, CONVOLUTION) | {
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
    **dict.fromkeys(("aten::cos", "aten::sin"), ROTATION),
    **dict.fromkeys(("aten::sigmoid", "aten::hardsigmoid"), SIGMOID),
    **dict.fromkeys(("aten::cat", "aten::stack", "prim::ListConstruct"), JOIN),
    **{f"aten::{name}": PASSING for name in PASSING_OPERATORS.split()},
}


NCNN_KINDS: dict[str, StepKind] = {
    **dict.fromkeys((*CONVOLUTION_LAYERS, *TRANSPOSED_LAYERS), CONVOLUTION),
    "Softmax": "softmax",
    "Reshape": "reshape",
    "Permute": "reshape",
    "MemoryData": "constant",
    "Sigmoid": SIGMOID,
    "Concat": JOIN,
    "Split": PASSING,
}
"""Layers of a ready pair."""


SINE, COSINE = 9, 10
"""Operations of ncnn's UnaryOp."""


class GraphView(msgspec.Struct, frozen=True, kw_only=True):
    """Tensors by the names at which the file can be cut."""

    outputs: list[str]
    steps: dict[str, GraphStep]
    keys: list[str] = []
    """Of the outputs, of a program that returns a dictionary."""
    unnamed: frozenset[str] = frozenset()
    """Tensors without a name in the file, which have a made-up one here."""
    shapes: Callable[[Sequence[str]], TensorShapes]
    """The shapes of these tensors, perhaps of others too."""


def view_graph(file: Path, network: str, shape: Sequence[int]) -> GraphView | None:
    """The file's network for an input (channels, rows, columns); None for another kind of file.

    Raises ``ConversionFailed`` for a file that cannot be read, or does not work at that size.
    """
    if network == "onnx":
        return _view_onnx(file, shape)
    if network == "ncnn":
        return _view_pair(file, shape)
    return _view_program(file, shape) if network == "torchscript" else None


def _view_onnx(file: Path, shape: Sequence[int]) -> GraphView:
    """Inputs beside the first one have the shapes that the file declares."""
    graph = turn_inputs(read_network(file), [shape])
    further = [[1, *sides[1:]] for sides in graph_input_shapes(graph)[1:]]
    graph = set_input_shapes(graph, [(1, *shape), *further])
    steps = {
        name: GraphStep(ONNX_KINDS.get(node.op_type, "other"), tuple(node.input))
        for node in graph.graph.node
        for name in node.output
    }
    outputs = [value.name for value in graph.graph.output]
    declared = tensor_shapes(graph)
    return GraphView(
        outputs=outputs,
        steps=steps,
        shapes=lambda names: _complete_shapes(declared, file, names, shape),
    )


def _complete_shapes(
    declared: TensorShapes, file: Path, names: Sequence[str], shape: Sequence[int]
) -> TensorShapes:
    """The network is run once where sizes are computed in it, so that none can be inferred."""
    import numpy as np

    if all(0 not in declared.get(name, [0]) for name in names):
        return declared
    network = load_onnx(file, [tuple(shape)], cut=names)
    outputs = network.run(np.zeros(shape, np.float32))
    return {name: (1, *output.shape) for name, output in zip(names, outputs, strict=True)}


def _view_pair(file: Path, shape: Sequence[int]) -> GraphView:
    import numpy as np

    layers = read_param(file)
    steps = {
        name: GraphStep(_layer_kind(layer), tuple(layer.bottoms))
        for layer in layers
        for name in layer.tops
    }

    def find_shapes(names: Sequence[str]) -> TensorShapes:
        net = load_net_files(file, file.with_suffix(".bin"))
        blobs = run_blobs(net, names, np.zeros(shape, np.float32))
        return {name: (1, *values.shape) for name, values in blobs.items()}

    return GraphView(outputs=output_blobs(layers), steps=steps, shapes=find_shapes)


def _layer_kind(layer: Layer) -> StepKind:
    if layer.type == "UnaryOp" and layer.number(0) in {SINE, COSINE}:
        return ROTATION
    return NCNN_KINDS.get(layer.type, "other")


def _view_program(file: Path, shape: Sequence[int]) -> GraphView:
    program = SandboxedProgram(file)
    described = describe_program(program)
    steps = {
        node.name: GraphStep(TORCH_KINDS.get(node.kind, "other"), tuple(node.inputs))
        for node in described.nodes
    }
    return GraphView(
        outputs=described.outputs,
        keys=described.keys,
        steps=steps,
        unnamed=frozenset(steps) - frozenset(described.named),
        shapes=lambda names: program.shapes(names, shape),
    )
