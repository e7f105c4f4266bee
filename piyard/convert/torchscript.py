"""A TorchScript program: loaded and frozen by torch, and what torch says where it fails."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from piyard.core.errors import ConversionFailed

ScriptProgram = Any
"""A ``torch.jit.ScriptModule``."""
ERROR_PREFIXES = ("RuntimeError: ", "torch.jit.Error: ")
ERROR_MARK = "<--- HERE"
"""How torch shows where a program failed."""
SAVE_REMEDY = "write it with torch.jit.trace(network, example).save(file)"


def load_script(file: Path) -> ScriptProgram:
    """A TorchScript file's module, in evaluation mode. Raises ``ConversionFailed``.

    TorchScript is a program: what it can do is what torch's interpreter lets it.
    """
    import torch

    load_program: Any = torch.jit.load
    with torch_warnings_off():
        try:
            program = load_program(str(file), map_location="cpu").eval()
        except Exception as error:  # noqa: BLE001  # whatever the bytes provoke
            raise _unreadable_script(file, summarize_error(error)) from None
    if not hasattr(program, "forward"):
        raise ConversionFailed(f"{file.name} has no method 'forward'", remedy=SAVE_REMEDY)
    return program


def _unreadable_script(file: Path, said: str) -> ConversionFailed:
    if "Unknown builtin op" in said:
        return ConversionFailed(
            f"{file.name} needs an operation that torch alone does not have",
            evidence=said,
            remedy="export it without non-maximum suppression (nms=False): the board does that",
        )
    return ConversionFailed(
        f"{file.name} is not a TorchScript file",
        evidence=said,
        remedy=SAVE_REMEDY,
    )


def freeze_script(program: ScriptProgram) -> ScriptProgram:
    """With its modules dissolved and its weights as constants: pnnx crashes over scripted ones."""
    import torch

    if not hasattr(program, "training"):  # frozen before it was saved
        return program
    freeze: Any = torch.jit.freeze
    return freeze(program, optimize_numerics=False)


@contextmanager
def torch_warnings_off() -> Iterator[None]:
    """pnnx reads TorchScript, whatever torch thinks of its age; the proof checks a trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def script_errors(what: str, shapes: Sequence[Sequence[int]]) -> Iterator[None]:
    """torch's error for inputs of these shapes (channels, rows, columns) as ``ConversionFailed``.

    The exporter chose the size, the number of inputs and the precision; the user may name others.
    """
    try:
        yield
    except RuntimeError as error:
        sizes = " and ".join(",".join(map(str, shape)) for shape in shapes)
        raise ConversionFailed(
            f"{what} does not run for an input {sizes}",
            evidence=summarize_error(error),
            remedy="name the size it was made for, `input` in its YAML or --input; save a program "
            "in fp32, with one input",
        ) from None


def summarize_error(error: Exception) -> str:
    """What torch says before it shows its own stack; of a program that failed, why, and where."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    why = [line for line in lines if line.startswith(ERROR_PREFIXES)]
    if why:
        here = [lines[at - 1 : at + 1] for at, line in enumerate(lines) if ERROR_MARK in line][:1]
        return "\n".join([*why[-1:], *(line for two in here for line in two)])
    return "\n".join(lines[:12])
