"""Nets that halves are too little for: found, helped, and named when they cannot be helped."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from piyard.convert import mask_search
from piyard.convert.divergence import first_diverging, first_diverging_fp16
from piyard.convert.lowering import trace_network
from piyard.convert.mask_search import (
    SearchLimit,
    fewest_layers,
    layers_by_loss,
    relative_distance,
)
from piyard.convert.ncnn_net import NetPair, load_net, load_net_pair, read_layers
from piyard.convert.param import FP32_MASK, fp32_layers, write_masks
from piyard.convert.proof import proof_problems
from piyard.convert.proof_inputs import InputsByKind, make_case
from piyard.convert.proof_trial import ProofTrial, _mask_layers
from piyard.convert.reference import TorchReference
from piyard.models.definition import load_model
from piyard.models.networks import inference
from piyard.models.synthetic import random_tensor
from piyard.vision.overlap import Agreement

SHAPE = (3, 16, 16)


class Overflowing(nn.Module):
    """What is large for a moment only: the product leaves the range of halves, the root returns."""

    def __init__(self):
        super().__init__()
        self.before, self.after = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)

    def forward(self, x):
        large = torch.relu(self.before(x)) * 300 + 100
        return self.after(torch.sqrt(large * large * 4) * 0.001)


class Squaring(nn.Module):
    """What only large inputs make too large."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        large = torch.relu(self.before(x))
        outputs: torch.Tensor = self.after(torch.sqrt(large * large + 1))
        return outputs


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.after = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)

    def forward(self, x):
        return self.after(torch.relu(self.before(x)))


class Large(nn.Conv2d):
    def reset_parameters(self):
        super().reset_parameters()
        assert self.bias is not None
        nn.init.constant_(self.bias, 1000)


class Difference(nn.Conv2d):
    """Of the first and the second half of the channels; without loss in its weights."""

    def reset_parameters(self):
        super().reset_parameters()
        eye = torch.eye(self.out_channels)[:, :, None, None]
        with torch.no_grad():
            self.weight.copy_(torch.cat([eye, -eye], dim=1))


class Cancelling(nn.Module):
    """The small difference of large numbers, behind layers that lose more of their own."""

    def __init__(self):
        super().__init__()
        self.before = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(6)))
        self.large, self.as_large = Large(3, 8, 3), Large(3, 8, 3)
        self.difference = Difference(16, 8, 1)

    def forward(self, x):
        x = self.before(x)
        return self.difference(torch.cat([self.large(x), self.as_large(x)], dim=1))


@pytest.fixture(autouse=True)
def small_nets(monkeypatch):
    """Half of eight layers is not many."""
    monkeypatch.setattr(mask_search, "MAX_FP32_SHARE", 0.75)


@pytest.fixture
def trial(tmp_path):
    """Lowers a network both ways: the pair, an input and what torch makes of it."""

    def make(network):
        torch.manual_seed(11)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
        reference = TorchReference(network=network.eval(), shapes=[SHAPE], write=trace_network)
        places = [tmp_path / "full", tmp_path / "half"]
        with inference():
            for place, half in zip(places, (False, True), strict=True):
                place.mkdir()
                reference.lower(place, half=half)
            x = random_tensor(SHAPE)
            return load_net_pair(*places), x, reference.run(x)[0], places[0], reference

    return make


def close(nets, x, expected):
    def well(spared):
        return bool(relative_distance(expected, nets.run_fp16(x, keep_fp32=spared)["out0"]) < 0.01)

    return well


def test_an_overflow_is_spared_with_what_reads_it(trial):
    nets, x, expected, full, _ = trial(Overflowing())
    well = close(nets, x, expected)
    assert not np.isfinite(nets.run_fp16(x)["out0"]).all()
    spared = fewest_layers(layers_by_loss(nets, [x]), well, SearchLimit())
    assert well(spared)
    convolutions = {layer.name for layer in nets.layers if layer.type == "Convolution"}
    assert not spared & {layer.name for layer in nets.layers[:2]}
    assert len(spared & convolutions) <= 1
    write_masks(full / "model.ncnn.param", dict.fromkeys(spared, FP32_MASK))
    again = NetPair(full=nets.full, half=nets.half, layers=read_layers(full))
    assert well(fp32_layers(again.layers))
    assert np.isfinite(again.run_fp16(x)["out0"]).all()


def test_a_difference_of_large_numbers_is_spared_with_what_makes_them(trial):
    nets, x, expected, _, _ = trial(Cancelling())
    well = close(nets, x, expected)
    assert not well(set())
    spared = fewest_layers(layers_by_loss(nets, [x]), well, SearchLimit())
    tail = [layer.name for layer in nets.layers if layer.type in {"Convolution", "Concat"}][-4:]
    assert spared == set(tail)
    assert not any(well(spared - {name}) for name in spared)


def test_of_several_inputs_the_worst_loss_of_a_layer_counts(trial):
    nets, x, _, _, _ = trial(Overflowing())
    still = np.zeros_like(x)
    assert layers_by_loss(nets, [still], [x * 100]) == layers_by_loss(nets, [x * 100])
    assert layers_by_loss(nets, [still], [x * 100]) != layers_by_loss(nets, [still])


def test_no_layer_too_few_would_do(trial):
    nets, x, expected, _, _ = trial(Overflowing())
    well = close(nets, x, expected)
    spared = fewest_layers(layers_by_loss(nets, [x]), well, SearchLimit())
    order = layers_by_loss(nets, [x])
    assert spared == set(order[: len(spared)])
    assert not well(set(order[: len(spared) - 1]))


def test_what_is_found_counts_too(trial, monkeypatch):
    """Raw outputs may be alike enough, and what they mean in a picture not."""
    nets, x, target_values, full, single = trial(Plain())
    worst = layers_by_loss(nets, [x])[0]
    with_and_without = [
        relative_distance(target_values, nets.run_fp16(x, keep_fp32=spared)["out0"])
        for spared in (set(), {worst})
    ]
    bearable = sum(with_and_without) / 2

    def agreement(_model, _pictures, expected, met):
        apart = relative_distance(expected[0][0], met[0][0])
        return Agreement(expected=1, actual=1, matched=1, score=0.05 * apart / bearable)

    monkeypatch.setattr(sys.modules["piyard.convert.proof"], "predictions_agreement", agreement)
    nanodet = load_model("nanodet")
    fed: dict[str, InputsByKind] = {"model": {"pictures": [(x,)], "noise": [(x,)]}}
    with inference():
        request = make_case(nanodet, {"model": single}, fed, [Path("a picture")])
        case = ProofTrial(
            case=request, originals={"model": single}, full=full, half=full.parent / "half"
        )
        before, spared, after = case.prove(), _mask_layers(case, SearchLimit()), case.prove()
    assert before.figures["fp16"]["pictures"]["out0"].cosine > 0.9999
    (problem,) = proof_problems(nanodet, before)
    assert problem.startswith("fp16, pictures, what is found: a score differs")
    assert spared == [worst]
    assert proof_problems(nanodet, after) == []


def test_every_input_counts_and_not_the_first_of_its_kind_alone(trial):
    _, x, _, full, single = trial(Squaring())
    fed: dict[str, InputsByKind] = {"model": {"noise": [(x,), (x * 1000,)]}}
    model = load_model("nanodet")
    with inference():
        case = make_case(model, {"model": single}, fed)
        converted = ProofTrial(
            case=case, originals={"model": single}, full=full, half=full.parent / "half"
        )
        before = proof_problems(model, converted.prove())
        spared = _mask_layers(converted, SearchLimit())
        after = proof_problems(model, converted.prove())
    assert before == ["fp16, noise, output out0: a value is not finite"]
    assert spared
    assert after == []


def test_what_would_take_most_of_the_net_is_not_spared(trial):
    nets, x, _, _, _ = trial(Plain())
    working = [layer for layer in nets.layers if layer.type != "Input"]
    order = layers_by_loss(nets, [x])
    limit = SearchLimit()
    assert fewest_layers(order, lambda spared: len(spared) == len(working), limit) == set()
    assert limit.note(0) == ""


ORDER = [f"layer{number}" for number in range(100)]


def search_with(monkeypatch, needed, seconds):
    """What is spared of ``ORDER`` when so many are needed and a trial takes a second."""
    clock = iter(range(1000))
    seconds_passed = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("piyard.convert.mask_search.time", seconds_passed)
    limit = SearchLimit(seconds)
    return len(fewest_layers(ORDER, lambda spared: len(spared) >= needed, limit)), limit


def test_a_search_that_has_time_comes_to_its_end(monkeypatch):
    assert search_with(monkeypatch, 17, 100)[0] == 17
    assert search_with(monkeypatch, 76, 100)[0] == 0


def test_a_search_whose_time_is_over_keeps_what_is_known_to_do(monkeypatch):
    layers, limit = search_with(monkeypatch, 17, 7)
    assert 17 < layers <= 32
    assert limit.note(layers) == (
        "the search for layers that must stay in fp32 stopped after its 7 s: "
        f"{layers} do, perhaps fewer would"
    )


def test_a_search_whose_time_is_over_before_anything_does_says_so(monkeypatch):
    layers, limit = search_with(monkeypatch, 17, 3)
    assert layers == 0
    assert limit.note(layers).endswith("stopped after its 3 s: none are known")


def test_the_first_layer_that_overflows_is_named(trial):
    nets, x, _, _, _ = trial(Overflowing())
    layer = first_diverging_fp16(nets, x, alike=0.05)
    every = nets.all_blobs_fp16(x)
    makers = [
        each for each in nets.layers if not all(np.isfinite(every[t]).all() for t in each.tops)
    ]
    assert layer == makers[0]


def test_halves_that_do_no_harm_name_nothing(trial):
    nets, x, _, _, _ = trial(Plain())
    assert first_diverging_fp16(nets, x, alike=0.05) is None


@pytest.mark.parametrize("number", [0, 1])
def test_the_layer_with_other_weights_is_found_by_its_values(trial, number):
    """Names are not compared: ncnn's are not torch's."""
    _, x, _, full, single = trial(Plain())
    layers = read_layers(full)
    convolution = [layer for layer in layers if layer.type == "Convolution"][number]
    file = full / "model.ncnn.bin"
    weights = np.fromfile(file, np.float32)
    first = 1 + 3 * 8 * 9 + 8
    at = 10 if number == 0 else first + 10
    weights[at : at + 100] *= -1
    weights.tofile(file)
    with inference():
        loaded = first_diverging(load_net(full), layers, single.tensors(x), x)
    assert loaded == convolution


def test_a_right_net_has_no_layer_at_fault(trial):
    _, x, _, full, single = trial(Plain())
    with inference():
        loaded = first_diverging(load_net(full), read_layers(full), single.tensors(x), x)
    assert loaded is None
