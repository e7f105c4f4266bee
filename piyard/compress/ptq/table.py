"""ncnn's table of scales: what its ncnn2table writes and its ncnn2int8 reads.

A line a tensor: ``conv_0_param_0 s0 s1 …`` has the scales of a layer's weights, one an output
channel, and ``conv_0 s`` the scale of what it reads (tools/quantize/ncnn2table.cpp). Attention has
``_param_0`` to ``_param_3`` for q, k, v and out. A layer without lines, or whose lines begin with
``#``, stays as it is. An integer is a number times its scale.

piyard writes ``_param_0`` and ``_param_1`` of a Gemm (A and B) too, which ncnn2int8 does not read:
it quantises every Gemm there is.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

import msgspec

from piyard.core.errors import WrongInput

PARAM_MARK = "_param_"
COMMENT = "#"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Scales of the layers that become int8; all others stay as they are."""

    weights: Mapping[str, Mapping[int, list[float]]] = {}
    """Layer → number of a weight tensor → its scales."""
    inputs: Mapping[str, float] = {}
    """Layer → the scale of what it reads; none for layers that find it anew each time."""

    @property
    def layers(self) -> list[str]:
        """The names of the layers that become int8."""
        return list(self.weights)

    def only(self, names: Container[str]) -> Table:
        """The scales of these layers alone."""
        return Table(
            weights={name: scales for name, scales in self.weights.items() if name in names},
            inputs={name: scale for name, scale in self.inputs.items() if name in names},
        )


def format_table(table: Table) -> str:
    """As a file; nine digits, with which a float is read back as it was."""
    weights = [
        f"{layer}{PARAM_MARK}{number} {_join(scales)}"
        for layer, tensors in table.weights.items()
        for number, scales in tensors.items()
    ]
    inputs = [f"{layer} {_join([scale])}" for layer, scale in table.inputs.items()]
    return "".join(f"{line}\n" for line in (*weights, *inputs))


def _join(scales: list[float]) -> str:
    return " ".join(f"{scale:.9g}" for scale in scales)


def read_table(path: Path) -> Table:
    """Raises ``WrongInput`` with the line that is not one of a table."""
    weights: dict[str, dict[int, list[float]]] = {}
    inputs: dict[str, float] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise WrongInput(f"{path.name} cannot be read as a table of scales") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(COMMENT):
            continue
        name, scales = _parse_line(f"{path.name}:{number}", line)
        layer, mark, place = name.rpartition(PARAM_MARK)
        if mark and place.isdigit():
            weights.setdefault(layer, {})[int(place)] = scales
        else:
            inputs[name] = scales[0]
    return Table(weights=weights, inputs={k: v for k, v in inputs.items() if k in weights})


def _parse_line(place: str, line: str) -> tuple[str, list[float]]:
    name, *numbers = line.split()
    try:
        scales = [float(number) for number in numbers]
    except ValueError:
        scales = []
    if not scales or not all(0 < scale < float("inf") for scale in scales):
        raise WrongInput(
            f"{place} is not a line of a table: a name, then scales above zero",
            evidence=line[:160],
        )
    return name, scales
