"""Which of the networks that piyard builds a checkpoint fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from piyard import networks
from piyard.conversion.own.kind import SAVE
from piyard.errors import WrongInput
from piyard.weights import checkpoint

if TYPE_CHECKING:
    import torch

COUNTER = "num_batches_tracked"
"""Counts training steps, means nothing here, and old files have none."""
SHOWN = 3

Shapes = dict[str, tuple[int, ...]]


def fitting(file: Path, *, classes: int, keypoints: int) -> str:
    """The network that the tensors fit by name and shape, with so many classes and keypoints.

    Raises ``WrongInput`` where none does, and ``ConversionFailed`` for a file that cannot be read.
    """
    in_file = _shapes(checkpoint.read(file))
    candidates: dict[str, Shapes] = {}
    for name in sorted(networks.NAMES):
        candidates[name] = _wanted(name, max(classes, 1), keypoints)
        if candidates[name] == in_file:
            return name
    nearest = max(candidates, key=lambda name: _alike(in_file, candidates[name]))
    raise _fits_none(file, classes, nearest, _differing(in_file, candidates[nearest]), len(in_file))


def _fits_none(
    file: Path, classes: int, nearest: str, differing: Sequence[str], tensors: int
) -> WrongInput:
    message = f"{file.name} fits no network that piyard builds with {classes or 'no'} classes"
    if len(differing) > tensors / 2:
        return WrongInput(message, remedy=f"it is of another network: {SAVE}")
    line = f"nearest is {nearest}, where {len(differing)} of {tensors} tensors differ:"
    return WrongInput(
        message,
        evidence="\n".join([line, *differing[:SHOWN]]),
        remedy=f"--labels names the classes it was trained on; of another network: {SAVE}",
    )


def _wanted(name: str, classes: int, keypoints: int) -> Shapes:
    """Of a network built on the meta device, which takes neither memory nor time."""
    import torch

    with torch.device("meta"):
        return _shapes(networks.build(name, classes, keypoints=keypoints).state_dict())


def _shapes(state: Mapping[str, torch.Tensor]) -> Shapes:
    return {
        name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith(COUNTER)
    }


def _alike(in_file: Shapes, in_network: Shapes) -> float:
    """The share of all tensors that both have, of the same shape."""
    return len(in_file.items() & in_network.items()) / len({**in_file, **in_network})


def _differing(in_file: Shapes, in_network: Shapes) -> list[str]:
    """A line for each tensor that is missing, superfluous, or of another shape."""
    return [
        f"{name}: {_told(ours)} in the file, {_told(theirs)} in the network"
        for name in {**in_network, **in_file}
        if (ours := in_file.get(name)) != (theirs := in_network.get(name))
    ]


def _told(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else "x".join(map(str, shape)) or "one number"
