"""Which network a checkpoint fits, by the names and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.own.defaults import SAVE_REMEDY
from piyard.core.errors import WrongInput
from piyard.models.checkpoint import STEP_COUNTER, Checkpoint, open_checkpoint, state_variants
from piyard.models.networks import NETWORK_NAMES, build_network

if TYPE_CHECKING:
    import torch


SHOWN_TENSORS = 3
PLAIN_TYPE = "float32"

StateShapes = dict[str, tuple[int, ...]]


class NetworkMatch(msgspec.Struct, frozen=True, kw_only=True):
    """The network of a file, and what was found out about its weights."""

    network: str
    lines: list[str] = []
    """For the user."""


def match_network(file: Path, *, classes: int, keypoints: int) -> NetworkMatch:
    """The network that the tensors fit by name and shape, with so many classes and keypoints.

    Raises ``WrongInput`` where none does, and ``ConversionFailed`` for a file that cannot be read.
    """
    checkpoint = open_checkpoint(file)
    variants = {
        variant.changes: state_shapes(variant.state) for variant in state_variants(checkpoint.state)
    }
    candidates = {
        name: _network_shapes(name, max(classes, 1), keypoints) for name in sorted(NETWORK_NAMES)
    }
    for changes, in_file in variants.items():
        for name, in_network in candidates.items():
            if in_network == in_file:
                return NetworkMatch(network=name, lines=_describe(name, checkpoint, changes))
    raise _no_network_fits(file, classes, list(variants.values()), candidates)


def _describe(network: str, checkpoint: Checkpoint, changes: str) -> list[str]:
    notes = [
        f"under '{checkpoint.place}'" if checkpoint.place else "",
        f"{checkpoint.stored} widened to {PLAIN_TYPE}"
        if checkpoint.stored not in {"", PLAIN_TYPE}
        else "",
        changes,
    ]
    return ["; ".join([f"weights of {network}", *filter(None, notes)])]


def _no_network_fits(
    file: Path,
    classes: int,
    variants: Sequence[StateShapes],
    candidates: Mapping[str, StateShapes],
) -> WrongInput:
    nearest, in_file = max(
        ((name, in_file) for name in candidates for in_file in variants),
        key=lambda pair: _share_alike(pair[1], candidates[pair[0]]),
    )
    differing = _list_differences(in_file, candidates[nearest])
    message = f"{file.name} fits no network that piyard builds with {classes or 'no'} classes"
    if len(differing) > len(in_file) / 2:
        return WrongInput(message, remedy=f"it is of another network: {SAVE_REMEDY}")
    line = f"nearest is {nearest}, where {len(differing)} of {len(in_file)} tensors differ:"
    return WrongInput(
        message,
        evidence="\n".join([line, *differing[:SHOWN_TENSORS]]),
        remedy=f"--labels names the classes it was trained on; of another network: {SAVE_REMEDY}",
    )


def _network_shapes(name: str, classes: int, keypoints: int) -> StateShapes:
    """Of a network built on the meta device, which takes neither memory nor time."""
    import torch

    with torch.device("meta"):
        return state_shapes(build_network(name, classes, keypoints=keypoints).state_dict())


def state_shapes(state: Mapping[str, torch.Tensor]) -> StateShapes:
    """The shape of each tensor, counters of steps aside."""
    return {
        name: tuple(tensor.shape)
        for name, tensor in state.items()
        if not name.endswith(STEP_COUNTER)
    }


def _share_alike(in_file: StateShapes, in_network: StateShapes) -> float:
    """The share of all tensors that both have, of the same shape."""
    return len(in_file.items() & in_network.items()) / len({**in_file, **in_network})


def _list_differences(in_file: StateShapes, in_network: StateShapes) -> list[str]:
    """A line for each tensor that is missing, superfluous, or of another shape."""
    return [
        f"{name}: {_format_shape(ours)} in the file, {_format_shape(theirs)} in the network"
        for name in {**in_network, **in_file}
        if (ours := in_file.get(name)) != (theirs := in_network.get(name))
    ]


def _format_shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else "x".join(map(str, shape)) or "one number"
