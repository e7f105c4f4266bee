"""Outputs of which even agreement proves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from piyard.conversion import names
from piyard.proof.asked import Asked
from piyard.proof.prove import Told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

CONSTANT = "the original gives the same for every input"
APART = 1e-4
"""Of the largest value: outputs that differ by less are the same to a proof by cosine."""


def empty(case: Asked, figures: Mapping[str, Told]) -> dict[str, str]:
    """Output → why, of those that do not depend on what is fed.

    Names are those of the figures, which list the outputs in the original's order.
    """
    reasons: dict[str, str] = {}
    for stem, kinds in case.expected.items():
        all_outputs = [
            outputs for outputs_by_input in kinds.values() for outputs in outputs_by_input
        ]
        for number, name in enumerate(_names(figures, stem)):
            if _is_constant([outputs[number] for outputs in all_outputs]):
                reasons[name] = CONSTANT
    return reasons


def _names(figures: Mapping[str, Told], stem: str) -> list[str]:
    kinds = next(iter(figures.values()), {})
    outputs = dict.fromkeys(name for kind in kinds.values() for name in kind)
    return [name for name in outputs if names.split(name)[0] == stem]


def _is_constant(outputs: Sequence[Array]) -> bool:
    """Whether several inputs of each size all give the same; one input alone tells nothing."""
    by_shape: dict[tuple[int, ...], list[Array]] = {}
    for output in outputs:
        by_shape.setdefault(output.shape, []).append(output)
    compared = [alike for alike in by_shape.values() if len(alike) > 1]
    return bool(compared) and all(map(_are_alike, compared))


def _are_alike(outputs: Sequence[Array]) -> bool:
    import numpy as np

    first = outputs[0]
    bar = APART * float(np.abs(first).max(initial=0.0))
    return all(float(np.abs(output - first).max(initial=0.0)) <= bar for output in outputs[1:])
