"""Fine-tuning: a changed network learns to answer again as its parent does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from piyard.compress.distill import Distillation, DistillationSettings
from piyard.compress.method import CompressOptions, OptionName, Step, TrainingPoint
from piyard.compress.networks import open_network
from piyard.compress.training.batches import (
    TrainingPictures,
    hold_out,
    labelled_pictures,
    open_pictures,
)
from piyard.compress.training.loop import History, train
from piyard.compress.training.settings import TrainingSettings
from piyard.core.errors import WrongInput
from piyard.models.variants import MethodName

if TYPE_CHECKING:
    from torch import nn


TRAINING_METHODS: frozenset[MethodName] = frozenset({"distill", "qat"})
"""Methods that train by themselves: what they follow is not tuned before."""
TUNING_OPTIONS: frozenset[OptionName] = frozenset({"epochs", "steps", "lr", "batch"})
MOST_THREADS = 4
"""Of a training: their number decides in which order is added, so that the recipe has it."""
DEFAULT_EPOCHS, DEFAULT_RATE, DEFAULT_BATCH = 10, 5e-4, 32
LABELS_SHARE, ENOUGH_OF_A_CLASS = 0.3, 10
"""Of the loss, where so many pictures of each class are known; the rest is the parent's answers."""


def read_training(options: CompressOptions, rate: float = DEFAULT_RATE) -> TrainingSettings:
    """The training that the options mean, at that rate where they name none."""
    return TrainingSettings(
        epochs=options.epochs or DEFAULT_EPOCHS,
        steps=options.steps or 0,
        batch=options.batch or DEFAULT_BATCH,
        learning_rate=options.lr or rate,
        seed=options.seed,
        threads=min(MOST_THREADS, os.cpu_count() or 1),
    )


def choose_tuning(options: CompressOptions, method: MethodName) -> TrainingSettings | None:
    """The training after that method; None without pictures, or where the next method trains."""
    later = options.methods[options.methods.index(method) + 1 :]
    if options.data is None or TRAINING_METHODS.intersection(later):
        if not TRAINING_METHODS.intersection(later):
            _require_nothing_to_train(options, method)
        return None
    return read_training(options)


def _require_nothing_to_train(options: CompressOptions, method: MethodName) -> None:
    if options.epochs or options.steps or options.lr or options.batch:
        raise WrongInput(
            f"--method {method} has no pictures to train on", remedy="name them: --data DIR"
        )


def tune_network(
    network: nn.Module, step: Step, settings: TrainingSettings, teacher: nn.Module | None = None
) -> History:
    """Train the network in place by a teacher's answers, and by classes where they are known.

    The teacher is the parent where none is named. Raises what ``train`` raises.
    """
    parent = step.parent
    data = hold_out(training_pictures(step), settings)
    is_classifier = parent.spec.has_class_output
    answers = DistillationSettings(scores=is_classifier, labels=share_of_labels(data.pictures))
    for values in network.parameters():
        values.requires_grad_()
    return train(
        network,
        data,
        Distillation(teacher or open_network(parent), answers),
        settings,
        step.checkpoints,
        title=f"train {step.name}",
    )


def share_of_labels(pictures: TrainingPictures) -> float:
    """Of the loss; none of few pictures a class.

    A network learns those by heart, and forgets what its parent knows of all others.
    """
    labels = pictures.labels or []
    is_enough = len(labels) >= ENOUGH_OF_A_CLASS * max(1, len({*labels}))
    return LABELS_SHARE if is_enough else 0.0


def training_pictures(step: Step) -> TrainingPictures:
    """The step's, with their classes where these are known. Raises ``WrongInput``."""
    data = step.require_data()
    if data.has_classes:
        return labelled_pictures(step.parent, data.require_truth())
    return open_pictures(step.parent, data.pictures, None)


def list_points(history: History | None) -> Sequence[TrainingPoint]:
    """How it went, for the manifest."""
    return [
        TrainingPoint(
            epoch=each.epoch, step=each.steps, loss=each.validation_loss, accuracy=each.accuracy
        )
        for each in (history.epochs if history else ())
    ]
