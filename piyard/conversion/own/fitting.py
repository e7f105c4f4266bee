"""Which of the networks that piyard builds a checkpoint is of."""

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
    there = _shapes(checkpoint.read(file))
    known: dict[str, Shapes] = {}
    for name in sorted(networks.NAMES):
        known[name] = _wanted(name, max(classes, 1), keypoints)
        if known[name] == there:
            return name
    nearest = max(known, key=lambda name: _alike(there, known[name]))
    raise _fits_none(file, classes, nearest, _differing(there, known[nearest]), len(there))


def _fits_none(
    file: Path, classes: int, nearest: str, differing: Sequence[str], tensors: int
) -> WrongInput:
    what = f"{file.name} fits no network that piyard builds with {classes or 'no'} classes"
    if len(differing) > tensors / 2:
        return WrongInput(what, remedy=f"it is of another network: {SAVE}")
    told = f"nearest is {nearest}, where {len(differing)} of {tensors} tensors differ:"
    return WrongInput(
        what,
        evidence="\n".join([told, *differing[:SHOWN]]),
        remedy=f"--labels names the classes it was trained on; of another network: {SAVE}",
    )


def _wanted(name: str, classes: int, keypoints: int) -> Shapes:
    """Built without memory or time for its values."""
    import torch

    with torch.device("meta"):
        return _shapes(networks.build(name, classes, keypoints=keypoints).state_dict())


def _shapes(state: Mapping[str, torch.Tensor]) -> Shapes:
    return {name: tuple(one.shape) for name, one in state.items() if not name.endswith(COUNTER)}


def _alike(there: Shapes, wanted: Shapes) -> float:
    """The share of all tensors that both have, of the same shape."""
    return len(there.items() & wanted.items()) / len({**there, **wanted})


def _differing(there: Shapes, wanted: Shapes) -> list[str]:
    """A line a tensor that is missing, too many, or of another shape."""
    return [
        f"{name}: {_told(there.get(name))} in the file, {_told(wanted.get(name))} in the network"
        for name in {**wanted, **there}
        if there.get(name) != wanted.get(name)
    ]


def _told(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else "x".join(map(str, shape)) or "one number"
