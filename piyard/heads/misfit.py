"""Outputs that do not match the model's YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from piyard.errors import WrongInput

if TYPE_CHECKING:
    from piyard.model.steps import Floats


def misfit(why: str, outputs: Sequence[Floats]) -> WrongInput:
    """The error, with the outputs' shapes as evidence."""
    return WrongInput(
        f"the network's outputs are not what the model's `head` says: {why}",
        evidence="\n".join(f"output {i}: {output.shape}" for i, output in enumerate(outputs)),
        remedy="correct `head`, `task`, `input` or `cut`: keys of the model's YAML, "
        "flags of model.add",
    )
