"""Whether training for int8 helps the real mobilenet_v2: few pictures, so the noise is stated.

    python -m benchmarks.compression.mobilenet_qat --data imagenet500/ [--side 128] [--steps 200]
        [--batch 8] [--rates 3e-6,1e-5,3e-5] [--choosing-steps 60] [--folds 2]

A seed divides the pictures into as many parts as there are folds. One part judges, the others
are learnt from; of these a fifth is learnt from by nobody and chooses the rate, by the divergence
from the answers in floats after a few steps. So no picture that judges has been learnt from, has
calibrated or has chosen, and over all folds each judges once. Floats, int8 by calibration (ptq) and
int8 by training (qat) are computed by stock ncnn.

A row's ± is the standard error of a difference over pictures: of how many more are right with qat
than with ptq only those tell that the two judge differently. Divergences from the answers in floats
are finer: they tell of every picture.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch
from torch import nn

from benchmarks.compression.methods import note
from piyard.compress.distill import Distillation, DistillationSettings
from piyard.compress.networks import open_network
from piyard.compress.qat.method import AVERAGED, quiet_imports
from piyard.compress.training.batches import TrainingData, TrainingPictures, labelled_pictures
from piyard.compress.training.loop import train
from piyard.compress.training.settings import TrainingSettings
from piyard.compress.tuning import share_of_labels
from piyard.convert.lowering import ROUTE_WRITERS
from piyard.convert.ncnn_net import NET_STEM, net_function
from piyard.convert.reference import TorchReference
from piyard.core.tables import render_table
from piyard.evaluate.dataset import read_dataset
from piyard.models.definition import Model, load_model, read_labels
from piyard.models.networks import inference
from piyard.vision.schema import Crop

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

MODEL = "mobilenet_v2"
CHOOSING = 0.2
"""Share of the pictures that do not judge."""
CALIBRATION = 100
COLUMNS = ("", "Top-1", "Less than floats", "Divergence", "Same class as floats")
WAYS = ("floats", "ptq", "qat")


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of pictures, none of them twice."""

    learnt: list[int]
    choosing: list[int]
    judged: list[int]


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of the judged pictures, (pictures, classes), and their classes."""

    scores: Any
    labels: Any


def divide(count: int, folds: int, fold: int, seed: int) -> Parts:
    """The parts of a fold."""
    order = random.Random(seed).sample(range(count), count)
    judged = order[fold::folds]
    rest = [number for number in order if number not in set(judged)]
    held = round(CHOOSING * len(rest))
    return Parts(learnt=sorted(rest[held:]), choosing=sorted(rest[:held]), judged=sorted(judged))


def at_side(model: Model, side: int) -> Model:
    """The model at that many rows and columns, the same part of the picture."""
    prepared = model.preprocess
    if not isinstance(prepared, Crop):
        raise SystemExit(f"{model.name} cuts no square")
    resize = round(prepared.resize * side / prepared.crop)
    return msgspec.structs.replace(
        model,
        input=(model.input[0], side, side),
        preprocess=msgspec.structs.replace(prepared, crop=side, resize=resize),
    )


class Fold:
    """One division of the pictures."""

    def __init__(
        self, network: nn.Module, pictures: TrainingPictures, parts: Parts, folder: Path
    ) -> None:
        from piyard.compress.qat.training import PairFiles

        self.network, self.pictures, self.parts, self.folder = network, pictures, parts, folder
        self.shape = tuple(pictures.take(parts.learnt[:1]).inputs.shape[1:])
        self.data = TrainingData(pictures, parts.learnt, parts.choosing)
        reference = TorchReference(
            network=network, shapes=[self.shape], write=ROUTE_WRITERS["trace"]
        )
        (folder / "floats").mkdir()
        with inference():
            reference.lower(folder / "floats", half=False)
        files = [folder / "floats" / f"{NET_STEM}.ncnn.{part}" for part in ("param", "bin")]
        self.pair = PairFiles(*files)

    def write_int8(self, settings: TrainingSettings, rates: Sequence[float], short: int) -> None:
        """``ptq`` and ``qat`` in the folder; the second by the rate that chooses itself."""
        from piyard.compress.qat.training import calibrate, train_int8

        for name in ("ptq", "qat"):
            (self.folder / name).mkdir()
        quantised = calibrate(self._training(settings))
        quantised.write(self.folder / "ptq", quantised.table.layers)
        losses = {
            rate: self._try_rate(
                msgspec.structs.replace(settings, learning_rate=rate, steps=short), quantised
            )
            for rate in rates
        }
        best = min(losses, key=losses.__getitem__)
        note(f"loss of the choosing pictures by rate: {losses}; taken: {best:g}")
        chosen = msgspec.structs.replace(settings, learning_rate=best)
        train_int8(
            self.network,
            self._training(chosen),
            self.folder / "checkpoint",
            self.folder / "qat",
            title=f"{best:g}",
        )

    def _try_rate(self, settings: TrainingSettings, quantised: Any) -> float:
        from piyard.compress.ptq.pair import read_weighted_layers
        from piyard.compress.qat.carry import begin_with, match_layers
        from piyard.compress.qat.network import Int8Network

        learning = Int8Network(self.network, self.shape)
        names = match_layers(learning, read_weighted_layers(*self.pair))
        begin_with(learning, names, quantised)
        folder = self.folder / f"try-{settings.learning_rate:g}"
        title = f"try {settings.learning_rate:g}"
        history = train(learning, self.data, self._objective(), settings, folder, title=title)
        return history.epochs[-1].validation_loss

    def _objective(self) -> Distillation:
        labels = share_of_labels(self.pictures)
        return Distillation(self.network, DistillationSettings(scores=True, labels=labels))

    def _training(self, settings: TrainingSettings) -> Any:
        from piyard.compress.qat.training import Int8Training

        return Int8Training(
            pair=self.pair,
            data=self.data,
            objective=self._objective(),
            settings=settings,
            calibration=CALIBRATION,
        )

    def answer(self, way: str) -> Answers:
        """What ncnn answers to the judged pictures."""
        compute = net_function(self.folder / way)
        batch = self.pictures.take(self.parts.judged)
        scores = np.stack([compute(picture.numpy())[0] for picture in batch.inputs])
        return Answers(scores=scores, labels=batch.require_labels().numpy())


def divergences(scores: Floats, exact: Floats) -> Floats:
    """Kullback-Leibler's of each picture from the answers in floats, in nats."""
    ours, theirs = (torch.log_softmax(torch.from_numpy(each), 1) for each in (scores, exact))
    each: Floats = (theirs.exp() * (theirs - ours)).sum(1).numpy()
    return each


def rows(answers: dict[str, Answers]) -> list[list[str]]:
    """A row a way, over all folds."""
    exact, labels = answers["floats"].scores, answers["floats"].labels
    right = {way: answers[way].scores.argmax(1) == labels for way in WAYS}
    return [
        [
            way,
            f"{100 * right[way].mean():.2f} %",
            difference(right["floats"], right[way]) if way != "floats" else "",
            f"{divergences(answers[way].scores, exact).mean():.4f}",
            f"{100 * (answers[way].scores.argmax(1) == exact.argmax(1)).mean():.1f} %",
        ]
        for way in WAYS
    ]


def difference(first: Any, other: Any, unit: float = 100.0) -> str:
    """Mean difference of pairs and its standard error."""
    each = unit * (first.astype(float) - other.astype(float))
    return f"{each.mean():+.3g} ± {each.std(ddof=1) / math.sqrt(len(each)):.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--choosing-steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rates", default="3e-6,1e-5,3e-5")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with quiet_imports():
        # What torchao logs when it is first imported is of no use here.
        import_module("piyard.compress.qat.training")
    model = at_side(load_model(MODEL), arguments.side)
    data = read_dataset(arguments.data, model, read_labels(model))
    network, pictures = open_network(model), labelled_pictures(model, data)
    settings = TrainingSettings(
        steps=arguments.steps,
        batch=arguments.batch,
        weight_decay=0.0,
        averaged=AVERAGED,
        flip=True,
        seed=arguments.seed,
        threads=1,
    )
    answers: list[dict[str, Answers]] = []
    for fold in range(arguments.folds):
        parts = divide(len(pictures), arguments.folds, fold, arguments.seed)
        with tempfile.TemporaryDirectory() as name:
            tuned = Fold(network, pictures, parts, Path(name))
            rates = [float(rate) for rate in arguments.rates.split(",")]
            tuned.write_int8(settings, rates, arguments.choosing_steps)
            answers.append({way: tuned.answer(way) for way in WAYS})
        print_table(answers)


def print_table(answers: Sequence[dict[str, Answers]]) -> None:
    """Of the folds so far."""
    joined = {
        way: Answers(
            scores=np.concatenate([each[way].scores for each in answers]),
            labels=np.concatenate([each[way].labels for each in answers]),
        )
        for way in WAYS
    }
    labels, exact = joined["floats"].labels, joined["floats"].scores
    right = {way: joined[way].scores.argmax(1) == labels for way in WAYS}
    apart = {way: divergences(joined[way].scores, exact) for way in ("ptq", "qat")}
    print(render_table(COLUMNS, rows(joined), "plain"))
    print(
        f"{len(labels)} pictures: qat - ptq {difference(right['qat'], right['ptq'])} points; "
        f"its divergence {difference(apart['qat'], apart['ptq'], 1.0)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
