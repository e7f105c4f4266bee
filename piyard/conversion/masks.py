"""Layers that lose too much in fp16 compute in fp32 even where the board has it.

ncnn reads a mask from each layer's parameter 31 (its docs/developer-guide/layer-feat-mask.md).
Folded batch normalisation leaves a depthwise convolution with a few large and many small weights
a channel; summed in halves, mobilenet_v2's outputs fall to cosine 0.987 against torch on a
Cortex-A76. With these layers alone in fp32 it is 0.9999; they are a small part of the work.
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
UNSAFE = {"ConvolutionDepthWise": NO_FP16_ARITHMETIC}
"""Type → mask, for layers known to need one."""


def apply(file: Path) -> list[str]:
    """Mask the unsafe layers of a .param; their names, in order."""
    unsafe = {one.name: UNSAFE[one.type] for one in param.read(file) if one.type in UNSAFE}
    write(file, unsafe)
    return list(unsafe)


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


def without_storage(layers: Iterable[Layer]) -> set[str]:
    """The layers that keep fp32 for what they read, weigh and tell."""
    return {one.name for one in layers if one.number(KEY) & NO_FP16_STORAGE}


def _masked(line: str, mask: int) -> str:
    if not mask:
        return line
    words = line.split()
    before = next((word for word in words[4:] if word.startswith(f"{KEY}=")), "")
    if not before:
        return f"{line} {KEY}={mask}"
    return line.replace(f" {before}", f" {KEY}={mask | int(before.partition('=')[2])}")
