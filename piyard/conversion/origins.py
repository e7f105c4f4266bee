"""Where in the original a layer of the converted net came from, as far as pnnx keeps it.

pnnx renames what it converts, but its IR beside the conversion has the original's names, and
convolutions and matrices follow one another in the same order in both. What lies between them is
told by the one it comes after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from piyard.conversion import param, pnnxir
from piyard.conversion.param import Layer
from piyard.conversion.pnnxir import Operator
from piyard.errors import ConversionFailed

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


Names = Mapping[str, Sequence[str]]
"""Kind → the names the original has for its layers of that kind, in order."""


def of(folder: Path, stem: str = "model", names: Names | None = None) -> dict[str, str]:
    """Layer of ncnn → what it came from; nothing where pnnx kept no IR.

    ``names`` are an ONNX file's, which the IR does not keep.
    """
    try:
        operators = pnnxir.read(folder / f"{stem}.pnnx.param")
    except (OSError, ConversionFailed):
        return {}
    layers = param.read(folder / f"{stem}.ncnn.param")
    kept = {kind: _of_kind(operators, kind) for kind in set(KINDS.values())}
    return _spread(layers, _by_order(layers, kept) | _by_order(layers, names or {}))


def _of_kind(them: Sequence[Layer] | Sequence[Operator], kind: str) -> list[str]:
    return [one.name for one in them if KINDS.get(one.type) == kind]


def _by_order(layers: Sequence[Layer], names: Names) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, theirs in names.items():
        ours = _of_kind(layers, kind)
        if len(ours) == len(theirs):
            found |= dict(zip(ours, theirs, strict=True))
    return found


def _spread(layers: Sequence[Layer], named: Mapping[str, str]) -> dict[str, str]:
    """The names, and for layers without one what they come after."""
    behind: dict[str, str] = {}
    told: dict[str, str] = {}
    for layer in layers:
        before = next((behind[name] for name in layer.bottoms if name in behind), "the input")
        own = _own(layer, named)
        told[layer.name] = own or f"behind {before}"
        behind |= dict.fromkeys(layer.tops, own or before)
    return told


def _own(layer: Layer, named: Mapping[str, str]) -> str:
    """A layer with weights has a name of its own, the converted net's where no other is known."""
    if layer.name in named:
        return f"'{named[layer.name]}'"
    return f"what became '{layer.name}'" if layer.type in KINDS else ""
