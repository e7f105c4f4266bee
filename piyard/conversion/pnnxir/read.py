"""A .pnnx.param file holds operators of torch, one a line.

``type name inputs outputs input-operands output-operands``, then ``key=value`` settings,
``@key=(shape)type`` tensors in the .pnnx.bin, ``$key=operand`` names of inputs and
``#operand=(shape)type`` (pnnx's README, "The pnnx.param format").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from piyard.conversion.param import MAGIC
from piyard.errors import ConversionFailed


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a .pnnx.param."""

    type: str
    name: str
    inputs: list[str]
    outputs: list[str]
    settings: dict[str, Any] = {}
    tensors: dict[str, tuple[tuple[int, ...], str]] = {}
    """Key of a tensor in the .pnnx.bin → its shape and the type of its values, as ``f32``."""
    named: dict[str, str] = {}
    """Parameter of torch's function → operand, where pnnx names it."""
    shapes: dict[str, tuple[int, ...]] = {}
    """Operand → shape; -1 is a side that is not fixed."""


def read(path: Path) -> list[Operator]:
    """The operators of a .pnnx.param, in order. Raises ``ConversionFailed`` for a broken file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise ConversionFailed(f"{path.name} is not a .pnnx.param file")
    return [_operator(path, number, line) for number, line in enumerate(lines[2:], 3) if line]


def _operator(path: Path, number: int, line: str) -> Operator:
    words = line.split()
    try:
        inputs, outputs = int(words[2]), int(words[3])
    except (IndexError, ValueError):
        raise ConversionFailed(f"{path.name}:{number} is truncated", evidence=line[:160]) from None
    pairs = dict(word.partition("=")[::2] for word in words[4 + inputs + outputs :])
    return Operator(
        type=words[0],
        name=words[1],
        inputs=words[4 : 4 + inputs],
        outputs=words[4 + inputs : 4 + inputs + outputs],
        settings={key: value_of(text) for key, text in pairs.items() if key[0] not in "@$#"},
        tensors={
            key[1:]: (_shape(text), text.rpartition(")")[2])
            for key, text in pairs.items()
            if key[0] == "@"
        },
        named={key[1:]: operand for key, operand in pairs.items() if key[0] == "$"},
        shapes={key[1:]: _shape(text) for key, text in pairs.items() if key[0] == "#"},
    )


def value_of(text: str) -> Any:
    """A setting as a Python value: None, a bool, a number, a tuple, else the text."""
    words = {"None": None, "True": True, "False": False}
    if text in words:
        return words[text]
    if text[:1] in {"(", "["} and text[-1:] in {")", "]"}:
        return tuple(value_of(part) for part in text[1:-1].split(",") if part)
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _shape(text: str) -> tuple[int, ...]:
    inside = text.partition("(")[2].partition(")")[0]
    return tuple(
        int(side) if side.lstrip("-").isdigit() else -1 for side in inside.split(",") if side
    )
