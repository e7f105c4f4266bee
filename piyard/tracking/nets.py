"""NanoTrack's two networks as its tracker calls them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from piyard.errors import WrongInput
from piyard.tracking.nanotrack import Nets

if TYPE_CHECKING:
    from piyard.model.steps import Floats


Compute = Callable[..., Sequence["Floats"]]
"""Inputs → outputs of a network."""
SCORES, SIDES = 2, 4
"""Channels of the head's outputs, which tell them apart whatever their order is."""


def of(backbone: Compute, head: Compute) -> Nets:
    """The two networks, whoever computes them: ncnn, or what their authors published."""
    return Nets(
        backbone=lambda values: backbone(values)[0],
        head=lambda template, search: sorted_out(head(template, search)),
    )


def sorted_out(outputs: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The head's scores (2, n, n) and sides (4, n, n). Raises ``WrongInput`` for other outputs."""
    by_channels = {output.shape[0]: output for output in outputs}
    if len(outputs) != len(by_channels) or by_channels.keys() != {SCORES, SIDES}:
        shapes = " and ".join("x".join(map(str, output.shape)) for output in outputs)
        raise WrongInput(f"the head gives {shapes}; NanoTrack's gives 2xnxn and 4xnxn")
    return by_channels[SCORES], by_channels[SIDES]
