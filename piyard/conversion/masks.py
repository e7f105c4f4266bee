"""Layers that lose too much in fp16 are masked: they run in fp32 even on boards with fp16.

ncnn reads a mask from each layer's parameter 31 (its docs/developer-guide/layer-feat-mask.md). As
piyard patches ncnn (toolchains/patches), either bit about fp16 makes such a layer read its inputs,
hold its weights, add up and write its outputs in fp32. It costs what it costs in fp32, and the
casts around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from piyard.conversion import names, param
from piyard.conversion.param import Layer
from piyard.errors import WrongInput

NO_FP16_ARITHMETIC, NO_FP16_STORAGE = 1, 2
FP32 = NO_FP16_ARITHMETIC | NO_FP16_STORAGE
KEY = 31


def write(file: Path, masks: Mapping[str, int]) -> None:
    """Add these masks to those of the named layers of a .param."""
    lines = [line for line in file.read_text().splitlines() if line.strip()]
    masked = lines[:2] + [_masked(line, masks.get(line.split()[1], 0)) for line in lines[2:]]
    file.write_text("\n".join(masked) + "\n")


def add(folder: Path, by_name: Mapping[str, int]) -> None:
    """Mask layers of the networks in the folder: ``conv_1``, or ``head:conv_1`` of a second one.

    A layer type stands for all layers of it. Raises ``WrongInput`` for a name of no layer.
    """
    for name, mask in by_name.items():
        stem, layer = names.split(name)
        file = folder / f"{stem}.ncnn.param"
        matches = _meant(param.read(file), layer) if file.is_file() else []
        if not matches:
            raise WrongInput(
                f"there is no layer '{name}' to mask",
                remedy="take it out of `masks` in the model's YAML; then: invoke prove --mask",
            )
        write(file, dict.fromkeys(matches, mask))


def _meant(layers: Sequence[Layer], name_or_type: str) -> list[str]:
    by_name = [layer.name for layer in layers if layer.name == name_or_type]
    return by_name or [layer.name for layer in layers if layer.type == name_or_type]


def in_fp32(layers: Iterable[Layer]) -> set[str]:
    """The layers that run in fp32 in a network that runs in fp16."""
    return {layer.name for layer in layers if layer.number(KEY) & FP32}


def _masked(line: str, mask: int) -> str:
    if not mask:
        return line
    words = line.split()
    setting = next((word for word in words[4:] if word.startswith(f"{KEY}=")), "")
    if not setting:
        return f"{line} {KEY}={mask}"
    return line.replace(f" {setting}", f" {KEY}={mask | int(setting.partition('=')[2])}")
