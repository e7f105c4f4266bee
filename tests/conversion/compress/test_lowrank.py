"""Layers of low rank, as ``compress --method lowrank`` makes them."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn

from piyard.cli.compress import compress_model
from piyard.cli.compress_request import CompressRequest
from piyard.compress.factors import Fit, choose_rank, find_pair, replace_layers
from piyard.compress.lowrank import choose_factors
from piyard.compress.moments import Moments, measure_moments
from piyard.compress.networks import open_network
from piyard.compress.search import count_macs
from piyard.compress.training.batches import TrainingPictures
from piyard.core.errors import WrongInput
from piyard.models.definition import load_model, model_names
from piyard.models.edits import LowRank


def of_rank(layer, rank):
    """Give the layer weights of that rank."""
    after, inner = layer.weight.flatten(1).shape
    low = torch.randn(after, rank) @ torch.randn(rank, inner)
    with torch.no_grad():
        layer.weight.copy_(low.reshape(layer.weight.shape))
    return layer


@torch.no_grad()
def test_a_layer_of_low_rank_computes_the_same():
    torch.manual_seed(1)
    convolution = of_rank(nn.Conv2d(32, 64, 3, padding=1), 8)
    network = nn.Sequential(convolution, nn.Flatten(), of_rank(nn.Linear(64 * 16, 40), 8))
    x = torch.randn(2, 32, 4, 4)
    before = network(x)
    result = list(choose_factors(network, Fit(energy=0.999999), None, "toy"))
    assert [each.edit for each in result] == [
        LowRank(layer="0", rank=8),
        LowRank(layer="2", rank=8),
    ]
    macs = count_macs(network, (32, 4, 4))
    replace_layers(network, result)
    torch.testing.assert_close(network(x), before, rtol=1e-3, atol=1e-3)
    assert count_macs(network, (32, 4, 4)) == pytest.approx(
        sum(
            each.share * whole
            for each, whole in zip(result, (16 * 64 * 288, 40 * 1024), strict=True)
        )
    )
    assert count_macs(network, (32, 4, 4)) < macs / 4


@torch.no_grad()
def test_columns_and_rows_apart_compute_the_same():
    """A kernel that is a product of a column and a row has rank 1 in that form alone."""
    torch.manual_seed(1)
    layer = nn.Conv2d(16, 16, 3, stride=2, padding=1)
    column, row = torch.randn(8, 16, 3), torch.randn(16, 8, 3)
    layer.weight.copy_(torch.einsum("rih,orw->oihw", column, row))
    network = nn.Sequential(layer)
    x = torch.randn(1, 16, 9, 9)
    before = network(x)
    (factors,) = choose_factors(network, Fit(energy=0.999999), None, "toy")
    assert factors.edit == LowRank(layer="0", rank=8, form="rows")
    replace_layers(network, [factors])
    torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-4)


def test_what_saves_no_work_stays():
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Linear(16, 16))
    assert not list(choose_factors(network, Fit(energy=0.99), None, "toy"))


@pytest.mark.parametrize(
    ("settings", "rank"),
    [
        (Fit(energy=0.5), 8),
        (Fit(energy=0.99), 16),
        (Fit(energy=0.9, rank=5), 5),
        (Fit(energy=0.9, rank=99), 20),
    ],
)
def test_ranks(settings, rank):
    energies = torch.tensor([100.0] + [10.0] * 9 + [0.01] * 10)
    kept = energies.cumsum(0) / energies.sum()
    assert choose_rank(20, settings, lambda rank: float(kept[rank - 1])) == rank


def test_with_pictures_the_answers_decide():
    """Directions that no picture shows are the first to go."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(64, 64, bias=False))
    shown = torch.randn(500, 4) @ torch.randn(4, 64)
    answers = network(shown).detach().double()
    moments = {"0": Moments(answers.T @ answers)}
    factors = find_pair("0", network[0], Fit(energy=0.9999999), moments["0"])
    assert factors is not None
    assert factors.edit.rank == 8
    replace_layers(network, [factors])
    torch.testing.assert_close(network(shown).double(), answers, rtol=1e-3, atol=1e-3)


def as_pictures(inputs):
    """The rows of a tensor, as pictures that need no reading."""
    paths = [Path(str(number)) for number in range(len(inputs))]
    return TrainingPictures(paths, None, lambda path: inputs[int(path.name)].numpy())


def smooth_pictures(count, channels, side):
    """Neighbours alike, channels of one mixture, as in pictures."""
    coarse = torch.randn(count, 3, 4, 4)
    fine = nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return torch.einsum("cm,bmhw->bchw", torch.randn(channels, 3), fine) + 0.05 * torch.randn(
        count, channels, side, side
    )


@torch.no_grad()
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 24, 3, padding=1),
        nn.Conv2d(16, 24, (3, 5), stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
        nn.Conv2d(16, 24, 1, bias=False),
    ],
    ids=["plain", "strided", "1x1"],
)
def test_moments_are_those_of_the_answers(layer):
    torch.manual_seed(1)
    inputs = smooth_pictures(12, 16, 14)
    moments = measure_moments(nn.Sequential(layer), as_pictures(inputs))["0"]
    answers = layer(inputs).double()
    if layer.bias is not None:
        answers -= layer.bias[:, None, None]
    rows = answers.transpose(0, 1).flatten(1)
    torch.testing.assert_close(moments.answers, rows @ rows.T, rtol=1e-4, atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("stride", [1, 2])
def test_rows_keep_as_much_of_the_answers_as_they_say_and_more_than_weights_tell(stride):
    torch.manual_seed(1)
    layer = nn.Conv2d(16, 32, 3, stride=stride, padding=1, bias=False)
    inputs = smooth_pictures(16, 16, 12)
    whole = layer(inputs)
    energies = {}
    for name, pictures in (("answers", as_pictures(inputs)), ("weights", None)):
        network = nn.Sequential(deepcopy(layer))
        (factors,) = choose_factors(network, Fit(energy=1.0, rank=4), pictures, name)
        replace_layers(network, [factors])
        lost = (network(inputs) - whole).square().sum()
        energies[name] = 1 - float(lost / whole.square().sum())
        if pictures:
            assert factors.energy == pytest.approx(energies[name], abs=1e-4)
    assert (1 - energies["answers"]) < 0.5 * (1 - energies["weights"])


@torch.no_grad()
def test_a_wide_layer_that_few_places_show_keeps_what_it_answers_to_them():
    """As the last layers of a ResNet: 9 * 96 directions, of which two pictures show 18."""
    torch.manual_seed(1)
    layer = nn.Conv2d(96, 32, 3, padding=1, bias=False)
    inputs = torch.relu(torch.randn(2, 96, 3, 3))
    inputs[:, 5] = 0
    whole = layer(inputs)
    network = nn.Sequential(layer)
    (factors,) = choose_factors(network, Fit(energy=0.99), as_pictures(inputs), "wide")
    assert factors.energy >= 0.99
    replace_layers(network, [factors])
    lost = (network(inputs) - whole).square().sum() / whole.square().sum()
    assert float(lost) == pytest.approx(1 - factors.energy, abs=1e-4)


@torch.no_grad()
def test_of_two_forms_the_one_that_keeps_more_at_a_rank_and_works_less_for_an_energy():
    """A kernel that is a product of a column and a row, and one of few channels."""
    torch.manual_seed(1)
    column, row = torch.randn(8, 16, 3), torch.randn(16, 8, 3)
    apart, narrow = nn.Conv2d(16, 16, 3), of_rank(nn.Conv2d(16, 16, 3), 8)
    apart.weight.copy_(torch.einsum("rih,orw->oihw", column, row))
    network = nn.Sequential(apart, narrow)
    forms = [
        each.edit.form for each in choose_factors(network, Fit(energy=0.9, rank=8), None, "toy")
    ]
    assert forms == ["rows", "channels"]
    (rows, channels) = choose_factors(network, Fit(energy=0.999), None, "toy")
    assert rows.share == pytest.approx(8 * 96 / 2304)
    assert channels.share == pytest.approx(8 * 160 / 2304)
    assert min(rows.energy, channels.energy) > 0.999


def test_a_model_of_low_rank(small, halves):
    typed = {"model": "small", "method": ["lowrank"], "data": str(halves), "steps": "2"}
    compress_model(CompressRequest.parse({**typed, "rank": "8", "batch": "8"}))
    variant = load_model("small@lowrank-r8")
    assert variant.variant is not None
    assert {edit.rank for edit in variant.variant.edits if isinstance(edit, LowRank)} == {8}
    whole = load_model(small)
    assert count_macs(open_network(variant), whole.input) < count_macs(
        open_network(whole), whole.input
    )


def test_a_rank_that_saves_nothing_is_refused(small):
    with pytest.raises(WrongInput, match="no layer takes less work as two"):
        compress_model(CompressRequest.parse({"model": small, "method": ["lowrank"], "rank": "64"}))
    assert model_names() == [small]
