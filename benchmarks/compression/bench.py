"""Fashion-MNIST, networks trained on it from nothing, and how right they are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import nn

from piyard.compress.search import count_macs
from piyard.compress.training.batches import TrainingData, TrainingPictures, hold_out
from piyard.compress.training.loop import History, train
from piyard.compress.training.objective import LabelLoss, Objective
from piyard.compress.training.settings import TrainingSettings
from piyard.convert.ncnn_net import net_function
from piyard.data.formats import open_data
from piyard.data.request import DataRequest
from piyard.models.networks import build_network, inference
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import Stretch

CLASSES, SIDE = 10, 28
SHAPE = (1, SIDE, SIDE)
LEVELS = Stretch(order="gray", mean=(72.94,), norm=(1 / 90.02,), resample="bilinear")
"""Mean and deviation of the training split's levels."""
LARGE_PICTURES = 3
"""Times as many as the others learn from: who compresses has a network that has seen more."""
RATE = 1e-2


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A seed's figures: top-1 of the judged pictures, in percent."""

    with_it: float
    without: float
    macs: int
    weights: int


class Bench:
    """The data, and trainings on it."""

    def __init__(self, arguments: Any, side: int = SIDE) -> None:
        self.arguments, self.side = arguments, side
        self.learnt = self._read("train", arguments.pictures)
        self.known = self._read("train", LARGE_PICTURES * arguments.pictures)
        self.judged = self._read("t10k", arguments.judged)
        self._trained: dict[str, nn.Module] = {}
        self._sides = {side: self}

    def at_side(self, side: int) -> Bench:
        """The same pictures with that many rows and columns."""
        if side not in self._sides:
            self._sides[side] = Bench(self.arguments, side)
        return self._sides[side]

    def settings(self, seed: int, **changes: Any) -> TrainingSettings:
        """Those of every training, but for the changes."""
        plain = TrainingSettings(
            epochs=self.arguments.epochs, batch=32, learning_rate=RATE, seed=seed, threads=1
        )
        return msgspec.structs.replace(plain, **changes)

    def data(self, settings: TrainingSettings) -> TrainingData:
        """What is learnt from, a tenth of it held out."""
        return hold_out(self.learnt, settings)

    def by_labels(self, name: str, settings: TrainingSettings) -> nn.Module:
        """A network of that name, trained from nothing by the classes."""
        return self._by_labels(name, settings, self.learnt)

    def teacher(self, name: str, settings: TrainingSettings) -> nn.Module:
        """As ``by_labels``, from more pictures."""
        return self._by_labels(name, settings, self.known)

    def _by_labels(
        self, name: str, settings: TrainingSettings, pictures: TrainingPictures
    ) -> nn.Module:
        def train() -> nn.Module:
            network = begin(name, settings.seed)
            self.train(network, settings, LabelLoss(), pictures)
            return network

        return self.once(f"{name}, {len(pictures)} pictures, {settings}", train)

    def once(self, name: str, train: Callable[[], nn.Module]) -> nn.Module:
        """The network of that name, trained when it is asked for first."""
        if name not in self._trained:
            self._trained[name] = train()
        return self._trained[name]

    def train(
        self,
        network: nn.Module,
        settings: TrainingSettings,
        objective: Objective,
        pictures: TrainingPictures | None = None,
    ) -> History:
        """Train that network in place."""
        with tempfile.TemporaryDirectory() as folder:
            data = hold_out(pictures or self.learnt, settings)
            return train(network, data, objective, settings, Path(folder), title="train")

    def train_best(
        self,
        build: Callable[[], nn.Module],
        settings: TrainingSettings,
        rates: Sequence[float],
        objective: Objective,
    ) -> nn.Module:
        """Trained at each rate; of these networks the one of the least loss on what is held out."""
        trained = []
        for rate in rates:
            network, at = build(), msgspec.structs.replace(settings, learning_rate=rate)
            history = self.train(network, at, objective)
            trained.append((history.epochs[-1].validation_loss, network))
        return min(trained, key=lambda pair: pair[0])[1]

    def accuracy(self, compute: Callable[[torch.Tensor], torch.Tensor]) -> float:
        """Percent of the judged pictures whose class is the best one."""
        batch = self.judged.take(range(len(self.judged)))
        with inference():
            scores = torch.cat([compute(some) for some in torch.split(batch.inputs, 500)])
        return float((scores.argmax(1) == batch.require_labels()).float().mean()) * 100

    def compare(self, with_it: nn.Module, without: nn.Module) -> Run:
        """Both judged; the size is that of the first."""
        return Run(
            with_it=self.accuracy(with_it),
            without=self.accuracy(without),
            macs=count_macs(with_it, SHAPE),
            weights=count_weights(with_it),
        )

    def _read(self, split: str, count: int) -> TrainingPictures:
        """So many of the split, evenly spread."""
        data = open_data(DataRequest(path=self.arguments.data, split=split, limit=count), "idx")
        truth = {path: data.numbers[number] for path, number in data}
        return TrainingPictures(
            list(truth),
            list(truth.values()),
            lambda path: prepare_picture(read_picture(path), LEVELS, (self.side, self.side)),
        )


def begin(name: str, seed: int) -> nn.Module:
    """A network of that name with the seed's weights."""
    torch.manual_seed(seed)
    return build_network(name, CLASSES)


def in_ncnn(folder: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """The folder's net, a picture at a time."""
    compute = net_function(folder)
    return lambda inputs: torch.from_numpy(
        np.stack([compute(picture.numpy())[0] for picture in inputs])
    )


def count_weights(network: nn.Module) -> int:
    """Parameters."""
    return sum(values.numel() for values in network.parameters())
