"""Global averages in two steps, where one long sum in fp32 is not exact enough."""

import numpy as np
import pytest
import torch
from torch import nn

from piyard.convert.averages import split_averages
from piyard.convert.lowering import trace_network
from piyard.convert.ncnn_net import load_net_pair, read_layers
from piyard.convert.param import Layer
from piyard.convert.proof import proof_problems
from piyard.convert.proof_inputs import InputsByKind, make_case
from piyard.convert.proof_trial import ProofTrial, _prove_by_rows
from piyard.convert.reference import TorchReference
from piyard.models.definition import load_model
from piyard.models.networks import inference

SHAPE = (8, 112, 96)


class Weighing(nn.Module):
    """Differences of the averages of channels, beside a small part of one of them."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.pool, self.weigh = nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1, bias=False)
        with torch.no_grad():
            self.weigh.weight.zero_()
            self.weigh.weight[0, :2, 0, 0] = torch.tensor([gain, -gain / 3])
            self.weigh.weight[1, 0] = 1e-3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        averages: torch.Tensor = self.weigh(self.pool(torch.relu(x)))
        return averages


def flat_picture():
    levels = np.asarray([0.1, 0.3, 0, 0, 0, 0, 0, 0], np.float32)
    return np.broadcast_to(levels[:, None, None], SHAPE).copy()


@pytest.fixture
def trial_of(tmp_path):
    """The trial of such a net on a flat picture."""

    def make(gain):
        original = TorchReference(
            network=Weighing(gain).eval(), shapes=[SHAPE], write=trace_network
        )
        for name, half in (("full", False), ("half", True)):
            (tmp_path / name).mkdir()
            original.lower(tmp_path / name, half=half)
        fed: dict[str, InputsByKind] = {"model": {"noise": [(flat_picture(),)]}}
        case = make_case(load_model("nanodet"), {"model": original}, fed)
        folders = {"full": tmp_path / "full", "half": tmp_path / "half"}
        return ProofTrial(case=case, originals={"model": original}, **folders)

    with inference():
        yield make


def test_a_long_sum_that_is_not_exact_is_split(trial_of):
    trial = trial_of(1.0)
    proved = trial.prove()
    wrong = proof_problems(trial.case.model, proved)
    assert wrong[0].startswith("fp32, noise, output out0: cosine 0.9")
    better, left, notes = _prove_by_rows(trial, proved, wrong)
    assert not [line for line in left if line.startswith("fp32")]
    assert better.figures["fp32"]["noise"]["out0"].cosine > 0.99999
    assert notes == ["1 average by rows first, as ncnn's long sums are not exact"]
    for folder in (trial.full, trial.half):
        poolings = [layer for layer in read_layers(folder) if layer.type == "Pooling"]
        assert [layer.number(1) for layer in poolings] == [96, 0]


def test_what_does_not_help_is_taken_back(trial_of):
    trial = trial_of(1e4)
    before = [file.read_text() for file in trial.param_files()]
    proved = trial.prove()
    wrong = proof_problems(trial.case.model, proved)
    assert _prove_by_rows(trial, proved, wrong) == (proved, wrong, [])
    assert [file.read_text() for file in trial.param_files()] == before


def test_both_steps_are_the_mean(trial_of):
    trial = trial_of(1.0)
    values = np.random.default_rng(1).random(SHAPE, np.float32)
    expected = trial.originals["model"].run(values)[0]
    proved = trial.prove()
    _prove_by_rows(trial, proved, proof_problems(trial.case.model, proved))
    split = load_net_pair(trial.full, trial.half).run_fp32(values)["out0"]
    assert np.allclose(split, expected, rtol=1e-5, atol=1e-8)


def pooling(settings: dict[str, str]) -> list[Layer]:
    return [Layer(type="Pooling", name="pool", bottoms=["a"], tops=["b"], settings=settings)]


AVERAGE = {"0": "1", "4": "1"}


def test_the_rows_are_summed_in_fp32():
    layers, names = split_averages(pooling(AVERAGE), {"a": (16, 32, 24)})
    assert names == ["pool"]
    rows, again = layers
    assert rows.settings == {
        "0": "1",
        "1": "24",
        "2": "24",
        "11": "1",
        "12": "1",
        "5": "1",
        "31": "1",
    }
    assert (rows.bottoms, rows.tops, again.bottoms, again.tops) == (
        ["a"],
        ["pool_rows"],
        ["pool_rows"],
        ["b"],
    )
    assert again.settings == AVERAGE


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        (AVERAGE, (64, 7, 7)),
        (AVERAGE, (64, 1, 1024)),
        (AVERAGE, (64, 1024, 1)),
        ({"0": "0", "4": "1"}, (64, 112, 112)),
        ({"0": "1", "1": "2", "2": "2"}, (64, 112, 112)),
        ({"0": "1", "7": "1", "8": "1"}, (64, 112, 112)),
    ],
)
def test_other_poolings_stay(settings, shape):
    layers = pooling(settings)
    assert split_averages(layers, {"a": shape}) == (layers, [])
