"""A layer's origin is the layer of the original that it came from.

pnnx renames what it converts, but its IR beside the conversion has the original's names, and
convolutions and matrices follow one another in the same order in both. A layer between them is
described by the one it comes after.
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
    """Layer of ncnn → what it came from; empty where pnnx kept no IR.

    ``names`` are an ONNX file's, which the IR does not keep.
    """
    try:
        operators = pnnxir.read(folder / f"{stem}.pnnx.param")
    except (OSError, ConversionFailed):
        return {}
    layers = param.read(folder / f"{stem}.ncnn.param")
    from_ir = {kind: _of_kind(operators, kind) for kind in set(KINDS.values())}
    return _spread(layers, _by_order(layers, from_ir) | _by_order(layers, names or {}))


def _of_kind(layers: Sequence[Layer] | Sequence[Operator], kind: str) -> list[str]:
    return [layer.name for layer in layers if KINDS.get(layer.type) == kind]


def _by_order(layers: Sequence[Layer], names: Names) -> dict[str, str]:
    matches: dict[str, str] = {}
    for kind, originals in names.items():
        converted = _of_kind(layers, kind)
        if len(converted) == len(originals):
            matches |= dict(zip(converted, originals, strict=True))
    return matches


def _spread(layers: Sequence[Layer], named: Mapping[str, str]) -> dict[str, str]:
    """The names; for layers without one, which layer they come after."""
    by_blob: dict[str, str] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        before = next((by_blob[blob] for blob in layer.bottoms if blob in by_blob), "the input")
        own = _own(layer, named)
        origins[layer.name] = own or f"behind {before}"
        by_blob |= dict.fromkeys(layer.tops, own or before)
    return origins


def _own(layer: Layer, named: Mapping[str, str]) -> str:
    """A layer with weights has a name of its own, the converted net's where no other is known."""
    if layer.name in named:
        return f"'{named[layer.name]}'"
    return f"what became '{layer.name}'" if layer.type in KINDS else ""
