"""A network → a program that pnnx reads, TorchScript or ONNX → ncnn's .param and .bin."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from piyard.convert.lint import LayerNames, require_one_batch, require_supported
from piyard.convert.misreadings import require_read_right
from piyard.convert.onnx.file import read_onnx
from piyard.convert.onnx.rewrite import rewrite_focus
from piyard.convert.param import MAIN_STEM, Layer
from piyard.convert.pnnxir import build_ir
from piyard.convert.torchscript import freeze_script, summarize_error, torch_warnings_off
from piyard.core.errors import ConversionFailed
from piyard.core.files import move_file, require_room
from piyard.core.sandbox import launch
from piyard.core.sandbox.launch import SandboxNeed

PNNX_LIMIT_S = 900.0
LOG_TAIL_BYTES = 1 << 16
"""Bytes of its log that are read for a message."""

PARAM_FILE, BIN_FILE, PNNX_LOG_FILE = "model.ncnn.param", "model.ncnn.bin", "model.pnnx.log"
KEPT_ENDINGS = ("ncnn.param", "ncnn.bin", "pnnx.param", "pnnx.bin", "pnnx.log")
"""Endings of the files that are kept, after the program's stem."""

Shapes = Sequence[Sequence[int]]
"""One shape (1, channels, rows, columns) an input."""


def lower_program(
    program: Path,
    shapes: Shapes,
    at: Path,
    *,
    half: bool,
    others: Shapes = (),
    names: LayerNames | None = None,
    need: SandboxNeed = "preferred",
) -> list[Layer]:
    """Write ``<stem>.<ending>`` for each of the ``KEPT_ENDINGS`` into the folder ``at``.

    The stem is the program's, which lies in a scratch folder of its own; ``half`` stores the
    weights as fp16. ``others`` are shapes that the network must also accept; ``names`` help to say
    what a layer came from (see ``origins.of``). Raises ``ConversionFailed`` when pnnx fails, hangs,
    writes layers that ncnn does not know, or has misread the program. ``need`` says how much the
    program needs a sandbox.
    """
    try:
        _run_pnnx(program, shapes, others, half=half, need=need)
    finally:
        for name in kept_files(program.stem):
            if (program.parent / name).is_file():
                move_file(program.parent / name, at / name)
    require_supported(at, program.stem, names)
    require_read_right(at, program.stem)
    return require_one_batch(at, program.stem, names)


def kept_files(stem: str = MAIN_STEM) -> tuple[str, ...]:
    """Names of the files that are kept."""
    return tuple(f"{stem}.{ending}" for ending in KEPT_ENDINGS)


def _run_pnnx(
    program: Path, shapes: Shapes, others: Shapes, *, half: bool, need: SandboxNeed
) -> None:
    """pnnx runs the program it reads, so it gets a sandbox with only the program's folder."""
    argv = [_pnnx_path(), program.name, f"inputshape={_format_shapes(shapes)}", f"fp16={int(half)}"]
    if others:
        argv.append(f"inputshape2={_format_shapes(others)}")
    at, stem = program.parent, program.stem
    with (at / f"{stem}.pnnx.log").open("wb") as log:
        process = launch.start_program(
            argv,
            read=[Path(argv[0])],
            write=[at],
            cwd=at,
            stdout=log,
            stderr=subprocess.STDOUT,
            need=need,
        )
        try:
            code = process.popen.wait(PNNX_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise _pnnx_failed(f"pnnx did not finish within {PNNX_LIMIT_S:g} s", log.name) from None
        finally:
            process.end()
    require_room(at)  # pnnx does not check whether its files could be written
    if code or not all((at / name).is_file() for name in kept_files(stem)):
        raise _pnnx_failed(f"pnnx ended with code {code}", log.name)


def _format_shapes(shapes: Shapes) -> str:
    return ",".join(f"[{','.join(map(str, shape))}]" for shape in shapes)


def _pnnx_path() -> str:
    import pnnx

    return str(pnnx.EXEC_PATH)


def _pnnx_failed(message: str, log: str) -> ConversionFailed:
    with Path(log).open("rb") as file:
        file.seek(max(0, Path(log).stat().st_size - LOG_TAIL_BYTES))
        lines = file.read(LOG_TAIL_BYTES).decode(errors="replace").splitlines()
    return ConversionFailed(message, evidence="\n".join(lines[-12:]))


ProgramWriter = Callable[[Any, Shapes, Shapes, Path, str], Path]
"""(network, shapes with batch, other shapes it must take, folder, stem) → the program's file."""
ONNX_OPSET = 17
"""Of ONNX. From 18 on a reduction's axes are an input, which pnnx does not read."""


def trace_network(network: Any, shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """TorchScript of what one inference does; a branch on values is not in it."""
    import torch

    trace_: Any = torch.jit.trace
    zeros = tuple(torch.zeros(*shape) for shape in shapes)
    with torch_warnings_off():
        return _save_program(trace_(network, zeros, check_trace=False), folder, stem)


def script_network(network: Any, _shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """TorchScript of the source code, branches and loops included."""
    import torch

    script_: Any = torch.jit.script
    with torch_warnings_off():
        try:
            return _save_program(freeze_script(script_(network)), folder, stem)
        except Exception as error:  # noqa: BLE001  # the compiler raises many kinds
            raise _script_failed(error) from None


def export_network(network: Any, shapes: Shapes, others: Shapes, folder: Path, stem: str) -> Path:
    """ONNX, by torch's exporter of traced programs. torch itself calls that deprecated."""
    import torch

    file = folder / f"{stem}.onnx"
    zeros = tuple(torch.zeros(*shape) for shape in shapes)
    export_: Any = torch.onnx.export
    names = [f"in{number}" for number in range(len(shapes))]
    axes = {name: {2: "height", 3: "width"} for name in names} if others else {}
    with torch_warnings_off():
        try:
            export_(
                network,
                zeros,
                str(file),
                dynamo=False,
                opset_version=ONNX_OPSET,
                input_names=names,
                dynamic_axes=axes,
            )
        except Exception as error:  # noqa: BLE001  # an operation without a symbol, and others
            raise ConversionFailed(
                "torch cannot export the network to ONNX",
                evidence=summarize_error(error),
                remedy="convert by another route: --route trace",
            ) from None
    return save_graph(read_onnx(file), shapes, others, folder, stem)


def save_graph(graph: Any, _shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """An ONNX graph, rewritten where ncnn lacks an operation."""
    import onnx

    file = folder / f"{stem}.onnx"
    onnx.save_model(rewrite_focus(graph), str(file))
    return file


def save_script(network: Any, _shapes: Shapes, _others: Shapes, folder: Path, stem: str) -> Path:
    """TorchScript of a program that a file holds, a ``torchscript.program.SandboxedProgram``."""
    file = folder / f"{stem}.pt"
    file.write_bytes(network.save())
    return file


def trace_ir(
    ir: Path, _network: Any, shapes: Shapes, others: Shapes, folder: Path, stem: str
) -> Path:
    """TorchScript of what the PNNX IR in the folder ``ir`` describes."""
    return trace_network(build_ir(ir, stem), shapes, others, folder, stem)


def _save_program(program: Any, folder: Path, stem: str) -> Path:
    file = folder / f"{stem}.pt"
    # Written by Python: torch's own writer ends the whole process when the disk is full.
    file.write_bytes(program.save_to_buffer())
    return file


def _script_failed(error: Exception) -> ConversionFailed:
    return ConversionFailed(
        "torch cannot script the network",
        evidence=summarize_error(error),
        remedy="convert by another route: --route trace",
    )


ROUTE_WRITERS: dict[str, ProgramWriter] = {
    "trace": trace_network,
    "script": script_network,
    "onnx": export_network,
}
"""Route → its function, for a network that piyard builds."""
FILE_WRITERS: dict[str, ProgramWriter] = {"onnx": save_graph, "torchscript": save_script}
"""Value of ``network`` → its function, where the file is the network."""
