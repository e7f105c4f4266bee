"""Proofs on boards as rows, and in words."""

from __future__ import annotations

from collections.abc import Sequence

from piyard.boardproof.proven import Proven
from piyard.proof import Figures

COLUMNS = (
    *("Model", "Host", "Data type", "Input", "Output", "Count", "Cosine", "Max abs", "Proof"),
)
EMULATED = " (emulated)"


def rows(made: Sequence[Proven]) -> list[list[str]]:
    """An output of a kind of input a row."""
    return [
        [*_about(one), kind, output, *figures.cells, _verdict(one, figures)]
        for one in made
        for kind, outputs in one.figures.items()
        for output, figures in outputs.items()
    ]


def _verdict(one: Proven, figures: Figures) -> str:
    return "passed" if figures.cosine >= one.least else "DIFFERS"


def lines(one: Proven) -> list[str]:
    """What else is worth knowing."""
    told = [f"{one.model} {one.precision} on {one.host}: {one.found.told}"] if one.found else []
    if one.masks:
        told.append(f"{one.model} needs masks: {', '.join(one.masks)}")
    return told


def _about(one: Proven) -> list[str]:
    host = one.host + (EMULATED if one.emulated and "emulated" not in one.host else "")
    return [one.model, host, one.precision]
