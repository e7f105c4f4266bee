"""Where in the original a layer of the converted net came from, as far as pnnx keeps it.

pnnx renames what it converts, but its IR beside the conversion has the original's names, and
convolutions and matrices follow one another in the same order in both. What lies between them is
told by the one it comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piyard import param, pnnxir
from piyard.errors import ConversionFailed
from piyard.param import Layer
from piyard.pnnxir import Operator

KINDS = {
    "Convolution": "convolution",
    "ConvolutionDepthWise": "convolution",
    "nn.Conv2d": "convolution",
    "F.conv2d": "convolution",
    "Deconvolution": "transposed",
    "DeconvolutionDepthWise": "transposed",
    "nn.ConvTranspose2d": "transposed",
    "InnerProduct": "matrix",
    "nn.Linear": "matrix",
}
"""Layers of ncnn and operators of the IR whose order both keep."""


def of(folder: Path, stem: str = "model") -> dict[str, str]:
    """Layer of ncnn → what it came from; nothing where pnnx kept no IR."""
    try:
        operators = pnnxir.read(folder / f"{stem}.pnnx.param")
    except (OSError, ConversionFailed):
        return {}
    layers = param.read(folder / f"{stem}.ncnn.param")
    return _spread(layers, _by_order(layers, operators))


def _by_order(layers: Sequence[Layer], operators: Sequence[Operator]) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in set(KINDS.values()):
        ours = [one.name for one in layers if KINDS.get(one.type) == kind]
        theirs = [one.name for one in operators if KINDS.get(one.type) == kind]
        if len(ours) == len(theirs):
            found |= dict(zip(ours, theirs, strict=True))
    return found


def _spread(layers: Sequence[Layer], named: dict[str, str]) -> dict[str, str]:
    """The names, and for layers without one what they come after."""
    behind: dict[str, str] = {}
    told: dict[str, str] = {}
    for layer in layers:
        before = next((behind[name] for name in layer.bottoms if name in behind), "the input")
        told[layer.name] = f"'{named[layer.name]}'" if layer.name in named else f"behind {before}"
        behind |= dict.fromkeys(layer.tops, told[layer.name].removeprefix("behind "))
    return told
