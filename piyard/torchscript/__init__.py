"""A TorchScript file: loaded by torch's own interpreter, cut, and what its exporter noted in it."""

from piyard.torchscript.cut import cut
from piyard.torchscript.notes import notes
from piyard.torchscript.read import Program, first_lines, frozen, load, running, silent
from piyard.torchscript.values import CONVOLUTIONS, outputs, values

__all__ = [
    "CONVOLUTIONS",
    "Program",
    "cut",
    "first_lines",
    "frozen",
    "load",
    "notes",
    "outputs",
    "running",
    "silent",
    "values",
]
