"""What pnnx got wrong although it ended well, and ncnn would compute without a word.

Some of it shows in the .param, some pnnx mentions in passing, and goes on: ncnn's tensors have no
batch, so an operation along it is left out or done along another axis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from piyard.convert.param import Layer, read_param
from piyard.core.errors import ConversionFailed

COMPLAINT = re.compile(
    r"\bbatch (axis|index|dim)\b.*(not supported|is unknown)"
    r"|-rank (tensor|dim)\b.*not supported"
    r"|\bfallback to (repeat|reduce|flatten)\b"
)
"""What pnnx prints where it has written something else than what was there."""
MAX_LOG_BYTES = 1 << 22
SHOWN = 8
MISREADING_REMEDY = (
    "write that part of the network for a batch of one that stays in front (no permute(1, 0, 2), "
    "batch_first=True), and masks as floats; or cut the net before it"
)


class Misread(ConversionFailed):
    """A network that pnnx has converted to another one."""


def require_read_right(folder: Path, stem: str) -> None:
    """Raise ``Misread`` that names what pnnx is known to get wrong."""
    file = folder / f"{stem}.ncnn.param"
    lines = file.read_text(encoding="utf-8").splitlines()
    evidence = [
        f"{file.name}:{number}: {lines[number - 1][:160]}: {why}"
        for number, why in find_misreadings(read_param(file))
    ]
    evidence += [f"pnnx: {line}" for line in read_complaints(folder / f"{stem}.pnnx.log")]
    if evidence:
        raise Misread(
            "pnnx misread the network, and ncnn would compute something else without a word",
            evidence="\n".join(evidence[:SHOWN]),
            remedy=MISREADING_REMEDY,
        )


def find_misreadings(layers: Sequence[Layer]) -> Iterator[tuple[int, str]]:
    """Line of the .param → what is wrong there."""
    for number, layer in enumerate(layers, 3):
        check = CHECKS.get(layer.type)
        if check and (why := check(layer)):
            yield number, why


def read_complaints(log: Path) -> list[str]:
    """The lines of pnnx's log that say what it could not do, each once; none without a log."""
    try:
        with log.open("rb") as file:
            text = file.read(MAX_LOG_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return []
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if COMPLAINT.search(line)))


RAW_FLOATS, TAGGED = "1", "0"
"""How ncnn reads the values of a MemoryData, its parameter 21; others are bytes."""


def _check_constant(layer: Layer) -> str:
    if layer.settings.get("21", RAW_FLOATS) in {RAW_FLOATS, TAGGED}:
        return ""
    return "a constant of truth values, whose bytes ncnn would take for floats"


SELECTED = "select_"
"""What pnnx calls a Crop that takes one element along an axis."""
CROP_ENDS, TO_THE_END = "-23310", "-233"


def _check_crop(layer: Layer) -> str:
    if not layer.settings and len(layer.bottoms) == 1:
        return "a selection along the batch, of which nothing is left"
    ends = layer.settings.get(CROP_ENDS, "").split(",")[1:]
    if layer.name.startswith(SELECTED) and TO_THE_END in ends:
        return "it was one element, and takes all up to the end"
    return ""


def _check_weights(layer: Layer) -> str:
    if len(layer.bottoms) == 1:
        return ""
    return "its weights are computed or shared, and ncnn's layer reads them from the file only"


CHECKS: Mapping[str, Callable[[Layer], str]] = {
    "MemoryData": _check_constant,
    "Crop": _check_crop,
    "InnerProduct": _check_weights,
}
