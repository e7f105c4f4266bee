"""From a network of torch to a program that pnnx reads, one way a function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from piyard import onnxgraph
from piyard.conversion import pnnxir
from piyard.errors import ConversionFailed

Shapes = Sequence[Sequence[int]]
Write = Callable[[Any, Shapes, Shapes, Path, str], Path]
"""(network, shapes with batch, other shapes it must take, folder, stem) → the program in it."""
OPSET = 17
"""Of ONNX. From 18 on a reduction's axes are an input, which pnnx does not read."""


def trace(network: Any, shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """TorchScript of what one inference does; a branch on values is not in it."""
    import torch

    made: Any = torch.jit.trace
    zeros = tuple(torch.zeros(*shape) for shape in shapes)
    with _silent():
        return _save(made(network, zeros, check_trace=False), folder, stem)


def script(network: Any, _shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """TorchScript of the source code, branches and loops included."""
    import torch

    made: Any = torch.jit.script
    with _silent():
        try:
            return _save(_frozen(made(network)), folder, stem)
        except Exception as error:  # noqa: BLE001  # the compiler has a zoo of them
            raise _not_scripted(error) from None


def export(network: Any, shapes: Shapes, others: Shapes, folder: Path, stem: str) -> Path:
    """ONNX, by torch's exporter of traced programs. torch itself calls that deprecated."""
    import torch

    file = folder / f"{stem}.onnx"
    zeros = tuple(torch.zeros(*shape) for shape in shapes)
    made: Any = torch.onnx.export
    names = [f"in{number}" for number in range(len(shapes))]
    axes = {name: {2: "height", 3: "width"} for name in names} if others else {}
    with _silent():
        try:
            made(
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
                evidence=_first(error),
                remedy="convert by another route: --route trace",
            ) from None
    return save_graph(onnxgraph.read(file), shapes, others, folder, stem)


def save_graph(graph: Any, _shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """An ONNX graph as ncnn can have it."""
    import onnx

    file = folder / f"{stem}.onnx"
    onnx.save_model(onnxgraph.rewrite_focus(graph), str(file))
    return file


def save_script(network: Any, _shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """TorchScript that is one already."""
    return _save(_frozen(network), folder, stem)


def from_ir(
    ir: Path, _network: Any, shapes: Shapes, others: Shapes, folder: Path, stem: str
) -> Path:
    """TorchScript of what the PNNX IR in the folder ``ir`` describes."""
    return trace(pnnxir.build(ir, stem), shapes, others, folder, stem)


def load_script(file: Path) -> Any:
    """A TorchScript file's module, in evaluation mode. Raises ``ConversionFailed``.

    TorchScript is a program: what it can do is what torch's interpreter lets it.
    """
    import torch

    made: Any = torch.jit.load
    with _silent():
        try:
            return made(str(file), map_location="cpu").eval()
        except Exception as error:  # noqa: BLE001  # whatever the bytes provoke
            raise ConversionFailed(
                f"{file.name} is no TorchScript file",
                evidence=_first(error),
                remedy="write it with torch.jit.trace(network, example).save(file)",
            ) from None


def _frozen(made: Any) -> Any:
    """With its modules dissolved and its weights as constants: pnnx crashes over scripted ones."""
    import torch

    freeze: Any = torch.jit.freeze
    return freeze(made, optimize_numerics=False)


def _save(made: Any, folder: Path, stem: str) -> Path:
    file = folder / f"{stem}.pt"
    made.save(str(file))
    return file


@contextmanager
def _silent() -> Iterator[None]:
    """pnnx reads TorchScript, whatever torch thinks of its age; the proof checks a trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _not_scripted(error: Exception) -> ConversionFailed:
    return ConversionFailed(
        "torch cannot script the network",
        evidence=_first(error),
        remedy="convert by another route: --route trace",
    )


def _first(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return "\n".join(lines[:12])


WAYS: dict[str, Write] = {"trace": trace, "script": script, "onnx": export}
"""The routes of a network that piyard builds."""
OF_FILES: dict[str, Write] = {"onnx": save_graph, "torchscript": save_script}
"""What becomes of a file that is the network."""
