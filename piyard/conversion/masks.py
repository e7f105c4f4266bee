"""Layers that lose too much in fp16 run in fp32 even where the board has fp16.

ncnn reads a mask from each layer's parameter 31 (its docs/developer-guide/layer-feat-mask.md). As
piyard patches ncnn (toolchains/patches), either bit about fp16 gives such a layer all that fp32
has: what it reads, weighs, sums and tells. It costs what it costs in fp32, and the casts around it.
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
    """Give the named layers of a .param these masks, beside what they have."""
    lines = [line for line in file.read_text().splitlines() if line.strip()]
    kept = lines[:2] + [_masked(line, masks.get(line.split()[1], 0)) for line in lines[2:]]
    file.write_text("\n".join(kept) + "\n")


def add(folder: Path, by_name: Mapping[str, int]) -> None:
    """Masks for the nets in that folder: ``conv_1`` of model.ncnn.param, ``head:conv_1`` of head's.

    In place of a layer a type may stand, for all layers of it. Raises ``WrongInput`` for a name
    that means no layer.
    """
    for name, mask in by_name.items():
        stem, what = names.split(name)
        file = folder / f"{stem}.ncnn.param"
        meant = _meant(param.read(file), what) if file.is_file() else []
        if not meant:
            raise WrongInput(
                f"there is no layer '{name}' to mask",
                remedy="take it out of `masks` in the model's YAML; then: invoke prove --mask",
            )
        write(file, dict.fromkeys(meant, mask))


def _meant(layers: Sequence[Layer], what: str) -> list[str]:
    named = [one.name for one in layers if one.name == what]
    return named or [one.name for one in layers if one.type == what]


def in_fp32(layers: Iterable[Layer]) -> set[str]:
    """The layers that run in fp32 in a net that runs in fp16."""
    return {one.name for one in layers if one.number(KEY) & FP32}


def _masked(line: str, mask: int) -> str:
    if not mask:
        return line
    words = line.split()
    before = next((word for word in words[4:] if word.startswith(f"{KEY}=")), "")
    if not before:
        return f"{line} {KEY}={mask}"
    return line.replace(f" {before}", f" {KEY}={mask | int(before.partition('=')[2])}")
