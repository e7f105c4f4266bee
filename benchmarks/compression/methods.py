"""The methods, each beside a network of the same size that was trained without it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
from torch import nn

from benchmarks.compression.bench import (
    LARGE_PICTURES,
    RATE,
    SHAPE,
    SIDE,
    Bench,
    Run,
    begin,
    count_weights,
    in_ncnn,
)
from piyard.compress.distill import Distillation, DistillationSettings, pair_features
from piyard.compress.factors import Factors, Fit, replace_layers
from piyard.compress.lowrank import choose_factors
from piyard.compress.qat.method import AVERAGED
from piyard.compress.search import count_macs, run_search
from piyard.compress.search_method import SEARCH_HELD_OUT, SHORT_SHARE
from piyard.compress.search_space import Candidate, Merit, SearchRules, SearchSpace
from piyard.compress.training.objective import LabelLoss
from piyard.compress.training.settings import TrainingSettings
from piyard.compress.tuning import DEFAULT_RATE, LABELS_SHARE
from piyard.convert.lowering import ROUTE_WRITERS
from piyard.convert.ncnn_net import NET_STEM
from piyard.convert.reference import TorchReference
from piyard.models.edits import apply_edits
from piyard.models.networks import inference

SMALL, LARGE = "small_cnn/w8-d2-k3", "small_cnn/w16-d2-k3"
DENSE = "small_cnn/w16-d1-k3-dense"
"""Of plain convolutions: those of one channel each have no rank to lose."""
RANK = 8
RATES, TUNING_RATES = (RATE / 3, RATE, 3 * RATE), (DEFAULT_RATE, 2 * DEFAULT_RATE, RATE / 3)
"""Tried, from nothing and from factors; what is held out of a training chooses."""
FEATURES = 1.0
"""Their weight beside the answers."""
QAT_RATE = 5e-4
SPACE = SearchSpace(widths=(8, 12, 16, 20, 24), depths=(1, 2, 3), kernels=(3, 5), sides=(SIDE, 20))
FINALISTS = 4


class Row(NamedTuple):
    """A method of the table."""

    beside: str
    run: Callable[[Bench, int], Run]


def distill(bench: Bench, seed: int) -> Run:
    """The small network, by a large one's answers and by the labels."""
    settings = bench.settings(seed)
    return bench.compare(answering(bench, seed), bench.by_labels(SMALL, settings))


def answering(bench: Bench, seed: int, features: float = 0.0) -> nn.Module:
    """The small network, taught by the large one's answers, and what it sees on the way."""
    settings = bench.settings(seed)
    teacher = bench.teacher(LARGE, settings)

    def train() -> nn.Module:
        network = begin(SMALL, seed)
        pairs = pair_features(network, teacher, SHAPE) if features else []
        answers = DistillationSettings(scores=True, features=features)
        torch.manual_seed(seed)
        bench.train(network, settings, Distillation(teacher, answers, pairs))
        return network

    return bench.once(f"answering {seed}, features {features}", train)


def features(bench: Bench, seed: int) -> Run:
    """As ``distill``, with the large one's features."""
    settings = bench.settings(seed)
    return bench.compare(answering(bench, seed, FEATURES), bench.by_labels(SMALL, settings))


def features_alone(bench: Bench, seed: int) -> Run:
    """What the features add to the answers."""
    return bench.compare(answering(bench, seed, FEATURES), answering(bench, seed))


def lowrank(bench: Bench, seed: int) -> Run:
    """A network's factors, tuned, and the same layers trained from nothing by as many steps."""
    return factors_beside(bench, seed, bench.by_labels(DENSE, bench.settings(seed)), trainings=1)


def lowrank_all_steps(bench: Bench, seed: int) -> Run:
    """The second has all steps: those of the network that the factors are of, and the tuning's."""
    return factors_beside(bench, seed, bench.by_labels(DENSE, bench.settings(seed)), trainings=2)


def lowrank_of_known(bench: Bench, seed: int) -> Run:
    """The network has seen more pictures than there are now; the second has all steps."""
    network = bench.teacher(DENSE, bench.settings(seed))
    return factors_beside(bench, seed, network, trainings=1 + LARGE_PICTURES)


def factors_beside(bench: Bench, seed: int, original: nn.Module, trainings: int) -> Run:
    """The second has the steps of so many trainings; each has the rate that suits it best."""
    settings = bench.settings(seed)
    factors, cut = cut_network(bench, original)
    answers = DistillationSettings(scores=True, labels=LABELS_SHARE)
    tuned = bench.train_best(
        lambda: deepcopy(cut), settings, TUNING_RATES, Distillation(original, answers)
    )

    def from_nothing() -> nn.Module:
        network = begin(DENSE, seed)
        apply_edits(network, [each.edit for each in factors])
        return network

    longer = bench.settings(seed, epochs=trainings * settings.epochs)
    alone = bench.train_best(from_nothing, longer, RATES, LabelLoss())
    note(f"whole: {bench.accuracy(original):.2f} %, cut to the rank {bench.accuracy(cut):.2f} %")
    return bench.compare(tuned, alone)


def cut_network(bench: Bench, original: nn.Module) -> tuple[Sequence[Factors], nn.Module]:
    """Its factors, and a copy that has them."""
    network = deepcopy(original).eval()
    factors = choose_factors(network, Fit(energy=1.0, rank=RANK), bench.learnt, DENSE)
    replace_layers(network, factors)
    return factors, network


def search(bench: Bench, seed: int) -> Run:
    """The family's default of that cost, and what trials find at most as dear."""
    judge = BenchJudge(bench, seed)
    plain = Candidate(width=16, depth=2, kernel=3, side=SIDE)
    rules = SearchRules(
        trials=bench.arguments.trials,
        finalists=FINALISTS,
        keep=1.0,
        limit=judge.cost(plain),
        first=plain,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        result = run_search(SPACE, judge, Path(folder), rules)
    for trial in result.finalists:
        note(f"{trial.candidate.name}: {trial.merit.accuracy:.1f} %, {trial.cost / 1e6:.2f} MMAC")
    chosen = result.chosen.candidate
    return Run(
        with_it=judge.final_accuracy(chosen),
        without=judge.final_accuracy(plain),
        macs=int(result.chosen.cost),
        weights=count_weights(begin(member_name(chosen), seed)),
    )


class BenchJudge:
    """Trains candidates on what ``compress --method search`` would train them on."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench, self.seed = bench, seed
        self.settings = bench.settings(seed, held_out=SEARCH_HELD_OUT)

    def cost(self, candidate: Candidate) -> float:
        """Multiply-accumulates."""
        network = begin(member_name(candidate), self.seed).eval()
        return count_macs(network, (1, candidate.side, candidate.side))

    def try_out(self, candidate: Candidate) -> Merit:
        """See ``Judge``."""
        epochs = max(1, round(SHORT_SHARE * self.settings.epochs))
        return self._train(candidate, msgspec.structs.replace(self.settings, epochs=epochs))

    def train(self, candidate: Candidate) -> Merit:
        """See ``Judge``."""
        return self._train(candidate, self.settings)

    def _train(self, candidate: Candidate, settings: TrainingSettings) -> Merit:
        pictures = self.bench.at_side(candidate.side).learnt
        network = begin(member_name(candidate), self.seed)
        history = self.bench.train(network, settings, LabelLoss(), pictures)
        last = history.epochs[-1]
        return Merit(accuracy=last.accuracy or 0.0, loss=last.validation_loss)

    def final_accuracy(self, candidate: Candidate) -> float:
        """Of the judged pictures, after the training that every network of the table has."""
        bench = self.bench.at_side(candidate.side)
        return bench.accuracy(bench.by_labels(member_name(candidate), bench.settings(self.seed)))


def member_name(candidate: Candidate) -> str:
    """What it is built by."""
    return candidate.member(SHAPE[0]).name


def qat(bench: Bench, seed: int) -> Run:
    """int8 by calibration, and by training; both are judged as stock ncnn computes them."""
    network = bench.by_labels(SMALL, bench.settings(seed))
    settings = bench.settings(
        seed, learning_rate=QAT_RATE, weight_decay=0.0, epochs=2, averaged=AVERAGED
    )
    with tempfile.TemporaryDirectory() as name:
        figures = quantised_both_ways(bench, network, settings, Path(name))
    note(f"floats {bench.accuracy(network):.2f} %, {figures}")
    return Run(
        with_it=figures["qat"],
        without=figures["ptq"],
        macs=count_macs(network, SHAPE),
        weights=count_weights(network),
    )


def quantised_both_ways(
    bench: Bench, network: nn.Module, settings: TrainingSettings, folder: Path
) -> dict[str, float]:
    """``ptq`` and ``qat`` → percent of the judged pictures, in ncnn."""
    from piyard.compress.qat.training import Int8Training, PairFiles, calibrate, train_int8

    for part in ("float", "ptq", "qat"):
        (folder / part).mkdir()
    reference = TorchReference(network=network, shapes=[SHAPE], write=ROUTE_WRITERS["trace"])
    with inference():
        reference.lower(folder / "float", half=False)
    pair = [folder / "float" / f"{NET_STEM}.ncnn.{part}" for part in ("param", "bin")]
    training = Int8Training(
        pair=PairFiles(*pair),
        data=bench.data(settings),
        objective=Distillation(network, DistillationSettings(scores=True, labels=LABELS_SHARE)),
        settings=settings,
        calibration=100,
    )
    quantised = calibrate(training)
    quantised.write(folder / "ptq", quantised.table.layers)
    train_int8(network, training, folder, folder / "qat", title="qat")
    return {part: bench.accuracy(in_ncnn(folder / part)) for part in ("ptq", "qat")}


def note(text: str) -> None:
    """A line for who waits."""
    print(text, file=sys.stderr, flush=True)


METHODS: dict[str, Row] = {
    "distill": Row("trained by labels", distill),
    "distill, features": Row("trained by labels", features),
    "features alone": Row("distill without", features_alone),
    "lowrank": Row("factors from nothing", lowrank),
    "lowrank, all steps": Row("factors from nothing", lowrank_all_steps),
    "lowrank of known": Row("factors from nothing", lowrank_of_known),
    "search": Row("the default of its cost", search),
    "qat": Row("calibrated (ptq)", qat),
}
