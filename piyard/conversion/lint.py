"""What a converted net has that the ncnn of the boards cannot run, told before anything runs it.

pnnx ends well even when it could not express something: it writes the operation of torch into the
.param as it was. A message names the line, and what in the original it came from.
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
    """The layers of the net; ``ConversionFailed`` when the ncnn of the boards lacks one of them.

    ``names`` are those of the original's layers (see ``origins.of``).
    """
    file = folder / f"{stem}.ncnn.param"
    layers = param.read(file)
    lacking = [(number, one) for number, one in enumerate(layers, 3) if not _is_built(one.type)]
    if lacking:
        lines, from_ = file.read_text().splitlines(), origins.of(folder, stem, names)
        told = [
            f"{file.name}:{number}: {lines[number - 1][:160]}{_from(from_.get(one.name))}"
            for number, one in lacking
        ]
        advice = sorted({ADVICE[one.type] for _, one in lacking if one.type in ADVICE})
        raise ConversionFailed(
            f"pnnx could not express {len(lacking)} operation(s) as layers of ncnn",
            evidence="\n".join(told[:SHOWN]),
            remedy="; ".join([*advice, REMEDY]),
        )
    if unread := _unread(layers):
        raise ConversionFailed(
            f"{file.name}: nothing reads the input {', '.join(unread)}",
            remedy="pnnx makes a constant of what depends on a branch or loop: convert by route "
            "trace, which keeps the way that one inference goes",
        )
    return layers


def _unread(layers: Sequence[Layer]) -> list[str]:
    read = {name for layer in layers for name in layer.bottoms}
    inputs = [name for layer in layers if layer.type == "Input" for name in layer.tops]
    return [name for name in inputs if name not in read]


def skew() -> str:
    """What is to be said when converter, desktop's and boards' ncnn differ in age, else nothing."""
    board = pinned()[0].version
    tools = {name: metadata.version(name) for name in ("pnnx", "ncnn")}
    other = [f"{name} {made}" for name, made in tools.items() if not made.endswith(board)]
    return (
        f"{' and '.join(other)} beside ncnn {board} of the boards: layers may differ"
        if other
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
