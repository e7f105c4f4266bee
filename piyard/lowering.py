"""A torch network → ncnn's .param and .bin, by pnnx."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.errors import ConversionFailed

if TYPE_CHECKING:
    import torch

TIME_LIMIT_S = 900.0
STEM = "model"
PARAM, BIN, LOG = "model.ncnn.param", "model.ncnn.bin", "pnnx.log"
KEPT = (PARAM, BIN, "model.pnnx.param", "model.pnnx.bin", LOG)

_MAGIC = "7767517"


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a .param."""

    type: str
    name: str
    bottoms: list[str]
    tops: list[str]


def lower(network: torch.nn.Module, shape: Sequence[int], at: Path, *, half: bool) -> list[Layer]:
    """Write the ``KEPT`` files into the folder; ``half`` stores the weights as fp16.

    Raises ``ConversionFailed`` when pnnx fails, hangs, or leaves what ncnn does not know.
    """
    _trace(network, shape, at / f"{STEM}.pt")
    _run_pnnx(shape, at, half=half)
    for path in at.iterdir():
        if path.name not in KEPT:
            path.unlink()
    return check(at / PARAM)


def _trace(network: torch.nn.Module, shape: Sequence[int], to: Path) -> None:
    import torch

    trace: Any = torch.jit.trace
    with warnings.catch_warnings():
        # pnnx reads TorchScript, whatever torch thinks of its age; the proof checks the trace.
        warnings.simplefilter("ignore")
        trace(network, torch.zeros(1, *shape), check_trace=False).save(str(to))


def _run_pnnx(shape: Sequence[int], at: Path, *, half: bool) -> None:
    size = ",".join(str(side) for side in (1, *shape))
    argv = [_program(), f"{STEM}.pt", f"inputshape=[{size}]", f"fp16={int(half)}"]
    with (at / LOG).open("wb") as log:
        try:
            done = subprocess.run(
                argv,
                cwd=at,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=TIME_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _failed(f"pnnx did not finish within {TIME_LIMIT_S:g} s", at) from None
    if done.returncode or not all((at / name).is_file() for name in (PARAM, BIN)):
        raise _failed(f"pnnx ended with code {done.returncode}", at)


def _program() -> str:
    import pnnx

    return str(pnnx.EXEC_PATH)


def _failed(what: str, at: Path) -> ConversionFailed:
    said = (at / LOG).read_text(errors="replace").splitlines()
    return ConversionFailed(what, evidence="\n".join(said[-12:]))


def check(param: Path) -> list[Layer]:
    """The layers of a .param; one that ncnn has no layer for is ``ConversionFailed``."""
    import ncnn

    lines = param.read_text().splitlines()
    if not lines or lines[0] != _MAGIC:
        raise ConversionFailed(f"{param.name} is no .param of ncnn")
    layers = [_layer(param, number, line) for number, line in enumerate(lines[2:], 3)]
    unknown = [
        f"{param.name}:{number}: {lines[number - 1][:160]}"
        for number, layer in enumerate(layers, 3)
        if ncnn.layer_to_index(layer.type) < 0
    ]
    if unknown:
        raise ConversionFailed(
            f"pnnx could not express {len(unknown)} operation(s) as layers of ncnn",
            evidence="\n".join(unknown[:12]),
            remedy="write that part of the network with operations ncnn has",
        )
    return layers


def _layer(param: Path, number: int, line: str) -> Layer:
    words = line.split()
    try:
        inputs, outputs = int(words[2]), int(words[3])
        blobs = words[4 : 4 + inputs + outputs]
    except (IndexError, ValueError):
        raise ConversionFailed(f"{param.name}:{number} is cut", evidence=line[:160]) from None
    return Layer(type=words[0], name=words[1], bottoms=blobs[:inputs], tops=blobs[inputs:])
