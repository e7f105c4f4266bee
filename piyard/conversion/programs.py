"""From a network of torch to a program that pnnx reads, a function for each route."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from piyard import onnxgraph, torchscript
from piyard.conversion import pnnxir
from piyard.errors import ConversionFailed

Shapes = Sequence[Sequence[int]]
Write = Callable[[Any, Shapes, Shapes, Path, str], Path]
"""(network, shapes with batch, other shapes it must take, folder, stem) → the program's file."""
OPSET = 17
"""Of ONNX. From 18 on a reduction's axes are an input, which pnnx does not read."""


def trace(network: Any, shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """TorchScript of what one inference does; a branch on values is not in it."""
    import torch

    trace_: Any = torch.jit.trace
    zeros = tuple(torch.zeros(*shape) for shape in shapes)
    with torchscript.silent():
        return _save(trace_(network, zeros, check_trace=False), folder, stem)


def script(network: Any, _shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """TorchScript of the source code, branches and loops included."""
    import torch

    script_: Any = torch.jit.script
    with torchscript.silent():
        try:
            return _save(torchscript.frozen(script_(network)), folder, stem)
        except Exception as error:  # noqa: BLE001  # the compiler raises many kinds
            raise _not_scripted(error) from None


def export(network: Any, shapes: Shapes, others: Shapes, folder: Path, stem: str) -> Path:
    """ONNX, by torch's exporter of traced programs. torch itself calls that deprecated."""
    import torch

    file = folder / f"{stem}.onnx"
    zeros = tuple(torch.zeros(*shape) for shape in shapes)
    export_: Any = torch.onnx.export
    names = [f"in{number}" for number in range(len(shapes))]
    axes = {name: {2: "height", 3: "width"} for name in names} if others else {}
    with torchscript.silent():
        try:
            export_(
                network,
                zeros,
                str(file),
                dynamo=False,
                opset_version=OPSET,
                input_names=names,
                dynamic_axes=axes,
            )
        except Exception as error:  # noqa: BLE001  # an operation without a symbol, and others
            raise ConversionFailed(
                "torch cannot export the network to ONNX",
                evidence=torchscript.first_lines(error),
                remedy="convert by another route: --route trace",
            ) from None
    return save_graph(onnxgraph.read(file), shapes, others, folder, stem)


def save_graph(graph: Any, _shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """An ONNX graph, rewritten where ncnn lacks an operation."""
    import onnx

    file = folder / f"{stem}.onnx"
    onnx.save_model(onnxgraph.rewrite_focus(graph), str(file))
    return file


def save_script(network: Any, _shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """TorchScript of a program that a file holds, a ``torchscript.program.SandboxedProgram``."""
    file = folder / f"{stem}.pt"
    file.write_bytes(network.save())
    return file


def from_ir(
    ir: Path, _network: Any, shapes: Shapes, others: Shapes, folder: Path, stem: str
) -> Path:
    """TorchScript of what the PNNX IR in the folder ``ir`` describes."""
    return trace(pnnxir.build(ir, stem), shapes, others, folder, stem)


def _save(program: Any, folder: Path, stem: str) -> Path:
    file = folder / f"{stem}.pt"
    # Written by Python: torch's own writer ends the whole process when the disk is full.
    file.write_bytes(program.save_to_buffer())
    return file


def _not_scripted(error: Exception) -> ConversionFailed:
    return ConversionFailed(
        "torch cannot script the network",
        evidence=torchscript.first_lines(error),
        remedy="convert by another route: --route trace",
    )


WAYS: dict[str, Write] = {"trace": trace, "script": script, "onnx": export}
"""Route → its function, for a network that piyard builds."""
OF_FILES: dict[str, Write] = {"onnx": save_graph, "torchscript": save_script}
"""Value of ``network`` → its function, where the file is the network."""
