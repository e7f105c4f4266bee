"""Layers of a converted network that the boards' ncnn cannot run, reported before it is run.

pnnx succeeds even when it could not express something: it writes the operation of torch into the
.param as it was. A message names the line, and the layer of the original it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from piyard.build.source import pinned
from piyard.conversion import origins, param
from piyard.conversion.origins import Names
from piyard.conversion.param import Layer
from piyard.errors import ConversionFailed

SHOWN = 12
ADVICE = {
    "Tensor.slice": "ncnn slices without steps: take the pixels apart before the net, or write the"
    " step as a convolution",
}
REMEDY = "write that part of the network with operations ncnn has, or cut the net before it"


def require(folder: Path, stem: str = "model", names: Names | None = None) -> list[Layer]:
    """The layers of the network; ``ConversionFailed`` when the boards' ncnn lacks one of them.

    ``names`` are those of the original's layers (see ``origins.of``).
    """
    file = folder / f"{stem}.ncnn.param"
    layers = param.read(file)
    lacking = [(line, layer) for line, layer in enumerate(layers, 3) if not _is_built(layer.type)]
    if lacking:
        lines, sources = file.read_text().splitlines(), origins.of(folder, stem, names)
        evidence = [
            f"{file.name}:{number}: {lines[number - 1][:160]}{_from(sources.get(layer.name))}"
            for number, layer in lacking
        ]
        advice = sorted({ADVICE[layer.type] for _, layer in lacking if layer.type in ADVICE})
        raise ConversionFailed(
            f"pnnx could not express {len(lacking)} operation(s) as layers of ncnn",
            evidence="\n".join(evidence[:SHOWN]),
            remedy="; ".join([*advice, REMEDY]),
        )
    if unread := _unread(layers):
        raise ConversionFailed(
            f"{file.name}: nothing reads the input {', '.join(unread)}",
            remedy="pnnx makes a constant of what depends on a branch or loop: convert by route "
            "trace, which keeps the branches that one inference takes",
        )
    return layers


def _unread(layers: Sequence[Layer]) -> list[str]:
    read = {name for layer in layers for name in layer.bottoms}
    inputs = [name for layer in layers if layer.type == "Input" for name in layer.tops]
    return [name for name in inputs if name not in read]


def skew() -> str:
    """A note when pnnx, the desktop's ncnn and the boards' ncnn differ in version, else nothing."""
    board = pinned()[0].version
    tools = {name: metadata.version(name) for name in ("pnnx", "ncnn")}
    differing = [
        f"{name} {version}" for name, version in tools.items() if not version.endswith(board)
    ]
    return (
        f"{' and '.join(differing)} beside ncnn {board} of the boards: layers may differ"
        if differing
        else ""
    )


def _is_built(kind: str) -> bool:
    """Whether ncnn has such a layer and toolchains/ncnn.yaml does not leave it out."""
    import ncnn

    _, options = pinned()
    left_out = options.get(f"WITH_LAYER_{kind.lower()}", True) is False
    return not left_out and ncnn.layer_to_index(kind) >= 0


def _from(origin: str | None) -> str:
    return f" (in the original {origin})" if origin else ""
