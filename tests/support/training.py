"""A data set that a network of a few weights learns in a second, made on the spot."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from piyard.compress.training.batches import Batch, TrainingData, TrainingPictures, hold_out
from piyard.compress.training.loop import History, train
from piyard.compress.training.objective import LabelLoss, Measured
from piyard.compress.training.settings import TrainingSettings

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

CLASSES = 3
SETTINGS = TrainingSettings(
    epochs=4, batch=16, learning_rate=0.01, flip=True, shift=1, seed=5, threads=1, held_out=0.2
)


SHAPE = (1, 6, 6)


def draw(path: Path, shape: tuple[int, int, int] = SHAPE) -> Floats:
    """A bright row, whose place says the class, in noise that the path's number decides."""
    number = int(path.name)
    random = np.random.default_rng(number)
    levels = random.normal(0, 0.3, shape).astype(np.float32)
    levels[0, 2 * (number % CLASSES)] += 1
    return levels


def pictures(
    count: int = 160, *, labelled: bool = True, shape: tuple[int, int, int] = SHAPE
) -> TrainingPictures:
    """Picture n is of class n modulo 3."""
    labels = [number % CLASSES for number in range(count)] if labelled else None
    return TrainingPictures(
        [Path(str(number)) for number in range(count)], labels, partial(draw, shape=shape)
    )


def network(channels: int = 4) -> nn.Sequential:
    """With a norm and dropout, whose state a resumed training must have too."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Linear(36 * channels, CLASSES),
    )


def data(settings: TrainingSettings = SETTINGS) -> TrainingData:
    return hold_out(pictures(), settings)


class StoppingLoss(LabelLoss):
    """The loss of labels, and a signal to this process at a measurement."""

    def __init__(self, at: int, number: signal.Signals) -> None:
        super().__init__()
        self.left, self.number = at, number

    def measure(self, net: nn.Module, batch: Batch) -> Measured:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)
        return super().measure(net, batch)


def trained(
    folder: Path, objective: LabelLoss | None = None, settings: TrainingSettings = SETTINGS
) -> tuple[nn.Module, History]:
    """A network that was trained in that folder."""
    net = network()
    history = train(net, data(settings), objective or LabelLoss(), settings, folder, title="toy")
    return net, history


if __name__ == "__main__":  # a process that a test lets be killed
    from piyard.compress.training import loop

    loop.CHECKPOINT_S = 0.0
    trained(Path(sys.argv[1]), StoppingLoss(at=12, number=signal.SIGKILL))
