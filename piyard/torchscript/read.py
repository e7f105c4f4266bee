"""Programs of torch.jit, which ships no types."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from piyard.errors import ConversionFailed

Program = Any
"""A ``torch.jit.ScriptModule``."""
RAISED = ("RuntimeError: ", "torch.jit.Error: ")
HERE = "<--- HERE"
"""How torch shows where a program failed."""
SAVE = "write it with torch.jit.trace(network, example).save(file)"


def load(file: Path) -> Program:
    """A TorchScript file's module, in evaluation mode. Raises ``ConversionFailed``.

    TorchScript is a program: what it can do is what torch's interpreter lets it.
    """
    import torch

    load_program: Any = torch.jit.load
    with silent():
        try:
            program = load_program(str(file), map_location="cpu").eval()
        except Exception as error:  # noqa: BLE001  # whatever the bytes provoke
            raise _unreadable(file, first_lines(error)) from None
    if not hasattr(program, "forward"):
        raise ConversionFailed(f"{file.name} has no method 'forward'", remedy=SAVE)
    return program


def _unreadable(file: Path, said: str) -> ConversionFailed:
    if "Unknown builtin op" in said:
        return ConversionFailed(
            f"{file.name} needs an operation that torch alone does not have",
            evidence=said,
            remedy="export it without non-maximum suppression (nms=False): the board does that",
        )
    return ConversionFailed(
        f"{file.name} is not a TorchScript file",
        evidence=said,
        remedy=SAVE,
    )


def frozen(program: Program) -> Program:
    """With its modules dissolved and its weights as constants: pnnx crashes over scripted ones."""
    import torch

    if not hasattr(program, "training"):  # frozen before it was saved
        return program
    freeze: Any = torch.jit.freeze
    return freeze(program, optimize_numerics=False)


@contextmanager
def silent() -> Iterator[None]:
    """pnnx reads TorchScript, whatever torch thinks of its age; the proof checks a trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def running(what: str, shapes: Sequence[Sequence[int]]) -> Iterator[None]:
    """torch's error for inputs of these shapes (channels, rows, columns) as ``ConversionFailed``.

    The exporter chose the size, the number of inputs and the precision; the user may name others.
    """
    try:
        yield
    except RuntimeError as error:
        sizes = " and ".join(",".join(map(str, shape)) for shape in shapes)
        raise ConversionFailed(
            f"{what} does not run for an input {sizes}",
            evidence=first_lines(error),
            remedy="name the size it was made for, `input` in its YAML or --input; save a program "
            "in fp32, with one input",
        ) from None


def first_lines(error: Exception) -> str:
    """What torch says before it shows its own stack; of a program that failed, why, and where."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    why = [line for line in lines if line.startswith(RAISED)]
    if why:
        here = [lines[at - 1 : at + 1] for at, line in enumerate(lines) if HERE in line][:1]
        return "\n".join([*why[-1:], *(line for two in here for line in two)])
    return "\n".join(lines[:12])
