"""What decides a training: its length, its steps, and where it is computed."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from msgspec import Meta

from piyard.core.config import Config

Whole = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]


class TrainingSettings(Config):
    """The settings; with the same data and network they give the same weights.

    That holds on one machine with the same number of threads, on its CPU: a GPU adds in an order of
    its own.
    """

    epochs: Annotated[int, Meta(ge=1)] = 10
    steps: Whole = 0
    """Of the optimiser, in place of ``epochs``; 0: so many as those take."""
    batch: Annotated[int, Meta(ge=1)] = 64
    """Pictures of a step."""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Annotated[float, Meta(gt=0)] = 2e-3
    """The highest; it falls to 0 as a cosine does."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    """Of matrices and convolutions; norms and biases have none."""
    momentum: Share = 0.9
    """Of ``sgd``."""
    warm_up: Share = 0.05
    """Share of all steps in which the rate rises to its highest."""
    label_smoothing: Share = 0.0
    flip: bool = False
    """Whether half of the pictures are mirrored, left and right."""
    shift: Whole = 0
    """Pixels by which pictures are moved at most, either way; their edges are repeated."""
    freeze_norms: bool = False
    """Whether batch normalisation keeps its means and variances, for data too few to tell them."""
    patience: Whole = 0
    """Epochs without a better loss of validation after which it ends, with the best weights; 0:
    all epochs, and the last weights."""
    averaged: Share = 0.0
    """Share of all steps, the last ones, whose weights are averaged (Izmailov et al.,
    https://arxiv.org/abs/1803.05407); 0: the weights are the last step's."""
    held_out: Annotated[float, Meta(gt=0, le=0.5)] = 0.1
    """Share of the pictures that validate and are not learnt from."""
    seed: Whole = 0
    threads: Whole = 0
    """Of torch; 0: as many as it chooses."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto``: a GPU where there is one."""

    def total_steps(self, pictures: int) -> int:
        """Of the optimiser, for so many pictures to learn from."""
        return self.steps or self.epochs * self.epoch_steps(pictures)

    def epoch_steps(self, pictures: int) -> int:
        """Whole batches of an epoch; the rest, another each time, is left out."""
        return max(1, pictures // self.batch)

    def rate_at(self, step: int, total: int) -> float:
        """The learning rate of a step, counted from 0: a linear rise, then half a cosine.

        Loshchilov and Hutter, https://arxiv.org/abs/1608.03983, without restarts.
        """
        rise = int(self.warm_up * total)
        if step < rise:
            return self.learning_rate * (step + 1) / rise
        done = (step - rise) / max(1, total - rise)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2
