"""Layers of low rank, as ``compress --method lowrank`` makes them."""

import pytest
import torch
from torch import nn

from piyard.cli.compress import compress_model
from piyard.cli.compress_request import CompressRequest
from piyard.compress.lowrank import LowRankSettings, choose_rank, find_factors, replace_layers
from piyard.compress.networks import open_network
from piyard.compress.search import count_macs
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
    result = list(find_factors(network, LowRankSettings(energy=0.999999), {}))
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
    (factors,) = find_factors(network, LowRankSettings(energy=0.999999), {})
    assert factors.edit == LowRank(layer="0", rank=8, form="rows")
    replace_layers(network, [factors])
    torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-4)


def test_what_saves_no_work_stays():
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Linear(16, 16))
    assert not list(find_factors(network, LowRankSettings(energy=0.99), {}))


@pytest.mark.parametrize(
    ("settings", "rank"),
    [
        (LowRankSettings(energy=0.5), 8),
        (LowRankSettings(energy=0.99), 16),
        (LowRankSettings(rank=5), 5),
        (LowRankSettings(rank=99), 20),
    ],
)
def test_ranks(settings, rank):
    energies = torch.tensor([100.0] + [10.0] * 9 + [0.01] * 10)
    assert choose_rank(energies, settings) == rank


def test_with_pictures_the_answers_decide():
    """Directions that no picture shows are the first to go."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(64, 64, bias=False))
    shown = torch.randn(500, 4) @ torch.randn(4, 64)
    answers = network(shown).detach().double()
    moments = {"0": answers.T @ answers}
    (factors,) = find_factors(network, LowRankSettings(energy=0.9999999), moments)
    assert factors.edit.rank == 8
    replace_layers(network, [factors])
    torch.testing.assert_close(network(shown).double(), answers, rtol=1e-3, atol=1e-3)


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
