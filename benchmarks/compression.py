"""Whether each method beats a network of the same size that was trained without it.

    python -m benchmarks.compression [--data FOLDER] [--pictures 1000] [--judged 1000] [--seeds 3]
        [--epochs 6] [--trials 10] [--only distill,search,qat]

On Fashion-MNIST (Debian's dataset-fashion-mnist): so many pictures of its training split, evenly
spread, are learnt from, and so many of its test split judge; no choice is made by these. Each row
is a method beside its baseline: the mean over the seeds ± their standard deviation.

distill   the small network learns the answers of a large one, which has learnt from three times as
          many pictures, beside the same network trained by the labels of the same pictures
search    the cheapest candidate of the family that is as accurate on held out pictures as any, not
          dearer than the baseline in multiply-accumulates, beside the family's default of that cost
qat       int8 by training, beside int8 by calibration, both computed by stock ncnn; and floats
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import msgspec
import numpy as np
import torch
from torch import nn

from piyard.compress.distill import Distillation, DistillationSettings, pair_features
from piyard.compress.search import Candidate, Score, SearchSpace, count_macs, run_search
from piyard.compress.training.batches import TrainingData, TrainingPictures, hold_out
from piyard.compress.training.loop import train
from piyard.compress.training.objective import LabelLoss, Objective
from piyard.compress.training.settings import TrainingSettings
from piyard.convert.lowering import ROUTE_WRITERS
from piyard.convert.ncnn_net import NET_STEM, net_function
from piyard.convert.reference import TorchReference
from piyard.core.tables import render_table
from piyard.data.formats import open_data
from piyard.data.request import DataRequest
from piyard.models.networks import build_network, inference
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import Stretch

DATA = Path("/usr/share/datasets/fashion-mnist")
CLASSES, SHAPE = 10, (1, 28, 28)
LEVELS = Stretch(order="gray", mean=(72.94,), norm=(1 / 90.02,), resample="nearest")
"""Mean and deviation of the training split's levels."""
SMALL, LARGE = "small_cnn/w8-d2-k3", "small_cnn/w16-d2-k3"
LARGE_PICTURES = 3
"""Times as many as the small ones learn from: who compresses has a network that has seen more."""
RATE, QAT_RATE = 1e-2, 5e-4
COLUMNS = ("Method", "Beside", "MMAC", "Weights", "With", "Without", "Difference")


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A seed's figures: top-1 of the judged pictures, in percent."""

    with_it: float
    without: float
    macs: int
    weights: int


class Bench:
    """The data, and trainings on it."""

    def __init__(self, arguments: Any) -> None:
        self.arguments = arguments
        self.learnt = read_pictures(arguments.data, "train", arguments.pictures)
        self.known = read_pictures(arguments.data, "train", LARGE_PICTURES * arguments.pictures)
        self.judged = read_pictures(arguments.data, "t10k", arguments.judged)

    def settings(self, seed: int, **changes: Any) -> TrainingSettings:
        plain = TrainingSettings(
            epochs=self.arguments.epochs, batch=32, learning_rate=RATE, seed=seed, threads=1
        )
        return msgspec.structs.replace(plain, **changes)

    def data(self, settings: TrainingSettings) -> TrainingData:
        return hold_out(self.learnt, settings)

    def trained(
        self,
        name: str,
        settings: TrainingSettings,
        objective: Objective | None = None,
        pictures: TrainingPictures | None = None,
    ) -> nn.Module:
        """A network of that name, trained from nothing."""
        torch.manual_seed(settings.seed)
        network = build_network(name, CLASSES)
        with tempfile.TemporaryDirectory() as folder:
            data = hold_out(pictures or self.learnt, settings)
            train(network, data, objective or LabelLoss(), settings, Path(folder), title=name)
        return network

    def accuracy(self, compute: Callable[[torch.Tensor], torch.Tensor]) -> float:
        """Percent of the judged pictures whose class is the best one."""
        batch = self.judged.take(range(len(self.judged)))
        labels = torch.tensor(self.judged.labels)
        with inference():
            scores = torch.cat([compute(some) for some in torch.split(batch.inputs, 500)])
        return float((scores.argmax(1) == labels).float().mean()) * 100


def read_pictures(folder: Path, split: str, count: int) -> TrainingPictures:
    """So many of the split, evenly spread."""
    data = open_data(DataRequest(path=folder, split=split, limit=count), "idx")
    truth = {path: data.numbers[number] for path, number in data}
    return TrainingPictures(
        list(truth),
        list(truth.values()),
        lambda path: prepare_picture(read_picture(path), LEVELS, SHAPE[1:]),
    )


def distill(bench: Bench, seed: int) -> Run:
    """The small network, by the labels and by a large one's answers."""
    settings = bench.settings(seed)
    teacher = bench.trained(LARGE, settings, pictures=bench.known)
    alone = bench.trained(SMALL, settings)
    pairs = pair_features(alone, teacher, SHAPE) if bench.arguments.features else []
    answers = DistillationSettings(scores=True, features=bench.arguments.features)
    taught = bench.trained(SMALL, settings, Distillation(teacher, answers, pairs))
    print(f"large: {bench.accuracy(teacher):.1f} %", file=sys.stderr)
    return compare(bench, taught, alone)


def search(bench: Bench, seed: int) -> Run:
    """The family's default of that cost, and what trials find at most as dear."""
    settings = bench.settings(seed)
    alone = bench.trained(SMALL, settings)
    limit = count_macs(alone, SHAPE)
    networks: dict[Candidate, nn.Module] = {}

    def judge(candidate: Candidate) -> Score:
        name = candidate.member(SHAPE[0]).name
        cost = count_macs(build_network(name, CLASSES), SHAPE)
        if cost > limit:
            return Score(accuracy=0.0, cost=cost)
        networks[candidate] = bench.trained(name, settings)
        held = bench.data(settings)
        batch = held.pictures.take(held.validation)
        with inference():
            measured = LabelLoss().measure(networks[candidate], batch)
        return Score(accuracy=100 * (measured.right or 0) / len(held.validation), cost=cost)

    space = SearchSpace(widths=(8, 10, 12, 16), depths=(1, 2, 3), kernels=(3, 5))
    with tempfile.TemporaryDirectory() as folder:
        found = run_search(
            space, judge, Path(folder), trials=bench.arguments.trials, seed=seed, keep=1.0
        )
    if found.chosen.candidate not in networks:
        raise SystemExit("no candidate was cheap enough: name more --trials")
    print(f"search: {found.chosen.candidate.name}", file=sys.stderr)
    return compare(bench, networks[found.chosen.candidate], alone)


def qat(bench: Bench, seed: int) -> Run:
    """int8 by calibration, and by training; both are judged as stock ncnn computes them."""
    from piyard.compress.qat.training import Int8Training, PairFiles, calibrate, train_int8

    network = bench.trained(SMALL, bench.settings(seed))
    settings = bench.settings(seed, learning_rate=QAT_RATE, weight_decay=0.0, epochs=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("float", "ptq", "qat"):
            (folder / part).mkdir()
        reference = TorchReference(network=network, shapes=[SHAPE], write=ROUTE_WRITERS["trace"])
        with inference():
            reference.lower(folder / "float", half=False)
        pair = [folder / "float" / f"{NET_STEM}.ncnn.{part}" for part in ("param", "bin")]
        training = Int8Training(
            pair=PairFiles(*pair),
            data=bench.data(settings),
            objective=Distillation(network, DistillationSettings(scores=True, labels=0.3)),
            settings=settings,
            calibration=100,
        )
        quantised = calibrate(training)
        quantised.write(folder / "ptq", quantised.table.layers)
        train_int8(network, training, folder, folder / "qat", title="qat")
        figures = {part: bench.accuracy(in_ncnn(folder / part)) for part in ("ptq", "qat")}
    floats = bench.accuracy(network)
    print(f"floats {floats:.2f} %, {figures}", file=sys.stderr)
    return Run(
        with_it=figures["qat"],
        without=figures["ptq"],
        macs=count_macs(network, SHAPE),
        weights=count_weights(network),
    )


def in_ncnn(folder: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """The folder's net, a picture at a time."""
    compute = net_function(folder)
    return lambda inputs: torch.from_numpy(
        np.stack([compute(picture.numpy())[0] for picture in inputs])
    )


def compare(bench: Bench, with_it: nn.Module, without: nn.Module) -> Run:
    """Both judged; the size is that of the first."""
    return Run(
        with_it=bench.accuracy(with_it),
        without=bench.accuracy(without),
        macs=count_macs(with_it, SHAPE),
        weights=count_weights(with_it),
    )


def count_weights(network: nn.Module) -> int:
    """Parameters."""
    return sum(values.numel() for values in network.parameters())


METHODS: dict[str, tuple[str, Callable[[Bench, int], Run]]] = {
    "distill": ("trained by labels", distill),
    "search": ("the default of its cost", search),
    "qat": ("calibrated (ptq)", qat),
}


def rows(bench: Bench, names: Sequence[str]) -> Iterator[list[str]]:
    """A row a method."""
    for name in names:
        beside, method = METHODS[name]
        runs = []
        for seed in range(1, bench.arguments.seeds + 1):
            runs.append(method(bench, seed))
            print(f"{name}, seed {seed}: {runs[-1]}", file=sys.stderr, flush=True)
        yield [
            name,
            beside,
            f"{mean(run.macs for run in runs) / 1e6:.2f}",
            f"{mean(run.weights for run in runs):.0f}",
            spread([run.with_it for run in runs]),
            spread([run.without for run in runs]),
            spread([run.with_it - run.without for run in runs], sign="+"),
        ]


def spread(figures: Sequence[float], sign: str = "") -> str:
    """Mean ± standard deviation; of a single figure that alone."""
    if len(figures) < 2:
        return f"{figures[0]:{sign}.2f}"
    return f"{mean(figures):{sign}.2f} ± {stdev(figures):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--judged", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--features", type=float, default=0.0)
    parser.add_argument("--only", default=",".join(METHODS))
    arguments = parser.parse_args()
    bench = Bench(arguments)
    print(render_table(COLUMNS, list(rows(bench, arguments.only.split(","))), "plain"))


if __name__ == "__main__":
    main()
