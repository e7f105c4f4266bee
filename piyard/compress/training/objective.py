"""What a training makes small: the interface, and the loss of labelled pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from piyard.compress.training.batches import Batch

if TYPE_CHECKING:
    import torch


class Measured(NamedTuple):
    """What a network made of a batch."""

    loss: torch.Tensor
    """A number, whose gradient is taken."""
    right: int | None
    """Pictures whose class is the best one; None where no classes are known."""


class Objective(Protocol):
    """What is made small."""

    @property
    def identity(self) -> str:
        """The same for the same loss: a checkpoint of another one is refused."""

    @property
    def trained(self) -> torch.nn.Module | None:
        """What is trained along, and thrown away in the end."""

    def measure(self, network: torch.nn.Module, batch: Batch) -> Measured:
        """The loss of a batch."""


class LabelLoss:
    """Cross-entropy with the classes, smoothed as https://arxiv.org/abs/1512.00567 has it."""

    trained = None

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing
        self.identity = f"labels, smoothing {smoothing!r}"

    def measure(self, network: torch.nn.Module, batch: Batch) -> Measured:
        """See ``Objective``."""
        from torch.nn import functional

        scores = first_output(network(batch.inputs))
        labels = batch.require_labels()
        loss = functional.cross_entropy(scores, labels, label_smoothing=self.smoothing)
        return Measured(loss, count_right(scores, labels))


def first_output(output: Any) -> torch.Tensor:
    """Of a network with several outputs the first."""
    first: torch.Tensor = output[0] if isinstance(output, (tuple, list)) else output
    return first


def count_right(scores: torch.Tensor, labels: torch.Tensor) -> int:
    """Pictures whose class has the highest score."""
    return int((scores.flatten(1).argmax(1) == labels).sum())
