"""A program that pnnx reads, TorchScript or ONNX → ncnn's .param and .bin."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from piyard import disk, sandbox, scratch
from piyard.conversion import lint
from piyard.conversion.origins import Names
from piyard.conversion.param import Layer
from piyard.errors import ConversionFailed

TIME_LIMIT_S = 900.0
TAIL = 1 << 16
"""Bytes of its log that are read for a message."""
STEM = "model"
PARAM, BIN, LOG = "model.ncnn.param", "model.ncnn.bin", "model.pnnx.log"
ENDINGS = ("ncnn.param", "ncnn.bin", "pnnx.param", "pnnx.bin", "pnnx.log")
"""Endings of the files that are kept, after the program's stem."""

Shapes = Sequence[Sequence[int]]
"""One shape (1, channels, rows, columns) an input."""


def lower(
    program: Path,
    shapes: Shapes,
    at: Path,
    *,
    half: bool,
    others: Shapes = (),
    names: Names | None = None,
    need: sandbox.Need = "preferred",
) -> list[Layer]:
    """Write ``<stem>.<ending>`` for each of the ``ENDINGS`` into the folder ``at``.

    The stem is the program's, which lies in a scratch folder of its own; ``half`` stores the
    weights as fp16. ``others`` are shapes that the network must also accept; ``names`` help to say
    what a layer came from (see ``origins.of``). Raises ``ConversionFailed`` when pnnx fails, hangs,
    or writes layers that ncnn does not know. ``need`` says how much the program needs a sandbox.
    """
    try:
        _run_pnnx(program, shapes, others, half=half, need=need)
    finally:
        for name in kept(program.stem):
            if (program.parent / name).is_file():
                scratch.move(program.parent / name, at / name)
    return lint.require(at, program.stem, names)


def kept(stem: str = STEM) -> tuple[str, ...]:
    """Names of the files that are kept."""
    return tuple(f"{stem}.{ending}" for ending in ENDINGS)


def _run_pnnx(
    program: Path, shapes: Shapes, others: Shapes, *, half: bool, need: sandbox.Need
) -> None:
    """pnnx runs the program it reads, so it gets a sandbox with only the program's folder."""
    argv = [_program(), program.name, f"inputshape={_listed(shapes)}", f"fp16={int(half)}"]
    if others:
        argv.append(f"inputshape2={_listed(others)}")
    at, stem = program.parent, program.stem
    with (at / f"{stem}.pnnx.log").open("wb") as log:
        process = sandbox.start(
            argv,
            read=[Path(argv[0])],
            write=[at],
            cwd=at,
            stdout=log,
            stderr=subprocess.STDOUT,
            need=need,
        )
        try:
            code = process.popen.wait(TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise _failed(f"pnnx did not finish within {TIME_LIMIT_S:g} s", log.name) from None
        finally:
            process.end()
    disk.require_room(at)  # pnnx does not check whether its files could be written
    if code or not all((at / name).is_file() for name in kept(stem)):
        raise _failed(f"pnnx ended with code {code}", log.name)


def _listed(shapes: Shapes) -> str:
    return ",".join(f"[{','.join(map(str, shape))}]" for shape in shapes)


def _program() -> str:
    import pnnx

    return str(pnnx.EXEC_PATH)


def _failed(message: str, log: str) -> ConversionFailed:
    with Path(log).open("rb") as file:
        file.seek(max(0, Path(log).stat().st_size - TAIL))
        lines = file.read(TAIL).decode(errors="replace").splitlines()
    return ConversionFailed(message, evidence="\n".join(lines[-12:]))
