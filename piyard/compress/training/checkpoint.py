"""A training's state in a file: written whole, and enough to go on as if nothing had happened."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.core.errors import UnreadableLog, WrongInput
from piyard.core.files import atomic_write

if TYPE_CHECKING:
    import torch


CHECKPOINT = "checkpoint.pt"
BROKEN_ERRORS = (
    *(EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError),
    *(pickle.UnpicklingError, msgspec.DecodeError),
)
"""What torch raises for a file that is cut or is none of its own."""


class EpochFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an epoch."""

    epoch: int
    """From 1."""
    steps: int
    """Of the optimiser until then."""
    loss: float
    """Mean of the epoch's steps."""
    validation_loss: float
    accuracy: float | None
    """Percent of the held out pictures; None without classes. The loop's own, to watch it by."""


class Progress(msgspec.Struct, kw_only=True):
    """How far a training is, apart from its tensors."""

    step: int = 0
    """Steps that are done."""
    losses: list[float] = []
    """Of the epoch's steps so far."""
    epochs: list[EpochFigures] = []
    best: int = 0
    """The epoch with the lowest loss of validation, from 1; 0 before the first."""


class TrainedParts(msgspec.Struct, frozen=True, kw_only=True):
    """Whatever a step changes."""

    network: Any
    """``torch.nn.Module``."""
    trained: Any
    """See ``Objective.trained``."""
    optimiser: Any
    average: Any = None
    """``torch.optim.swa_utils.AveragedModel``, where weights are averaged."""


def save_checkpoint(
    folder: Path,
    identity: str,
    parts: TrainedParts,
    progress: Progress,
    best: dict[str, torch.Tensor] | None,
) -> None:
    """Replace the folder's checkpoint by one rename."""
    import torch

    content = {
        "identity": identity,
        "progress": msgspec.json.encode(progress).decode(),
        "network": parts.network.state_dict(),
        "trained": parts.trained.state_dict() if parts.trained else {},
        "optimiser": parts.optimiser.state_dict(),
        "average": parts.average.state_dict() if parts.average else {},
        "best": best,
    }
    with atomic_write(folder / CHECKPOINT) as draft:
        torch.save(content, draft)


def load_checkpoint(
    folder: Path, identity: str, parts: TrainedParts
) -> tuple[Progress, dict[str, torch.Tensor] | None]:
    """Put the folder's checkpoint into the parts; where there is none, a beginning.

    Raises ``UnreadableLog`` for a damaged one, ``WrongInput`` for one of another training.
    """
    import torch

    file = folder / CHECKPOINT
    if not file.is_file():
        return Progress(), None
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        if content["identity"] != identity:
            raise WrongInput(
                f"{file} is of another training: other settings, data or another network",
                remedy="remove it, and this one begins anew",
            )
        parts.network.load_state_dict(content["network"])
        if parts.trained:
            parts.trained.load_state_dict(content["trained"])
        parts.optimiser.load_state_dict(content["optimiser"])
        if parts.average:
            parts.average.load_state_dict(content["average"])
        return msgspec.json.decode(content["progress"], type=Progress), content["best"]
    except BROKEN_ERRORS as error:
        raise UnreadableLog(
            f"{file} is damaged: {str(error).splitlines()[0] if str(error) else type(error)}",
            remedy="remove it, and the training begins anew",
        ) from None
