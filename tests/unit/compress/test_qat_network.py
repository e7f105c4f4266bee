"""A network with ncnn's int8 in floats: the numbers that ncnn's integers give."""

import numpy as np
import pytest
import torch
from torch import nn

from piyard.compress.qat.fake_int8 import Int8Inputs, Int8Weights, round_half_away
from piyard.compress.qat.network import Int8Network
from piyard.core.errors import WrongInput


class Branches(nn.Module):
    """Two convolutions read the same, their sum is pooled and goes into an inner product."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        )
        self.left = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.right = nn.Conv2d(4, 4, 1)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        values = self.first(inputs)
        total = torch.relu(self.left(values) + self.right(values))
        answer: torch.Tensor = self.last(self.drop(total.mean((2, 3))))
        return answer


@pytest.fixture
def network() -> Branches:
    torch.manual_seed(2)
    branches = Branches()
    norm = branches.first[1]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.bias.data.uniform_(-1, 1)
    norm.weight.data.uniform_(0.5, 2)
    return branches.eval()


def test_halves_are_rounded_away_from_zero() -> None:
    values = torch.tensor([0.5, -0.5, 1.5, 2.5, -2.5, 0.49])
    assert round_half_away(values).tolist() == [1, -1, 2, 3, -3, 0]


def test_weights_are_whole_steps_of_their_channel() -> None:
    weights = torch.tensor([[[[1.27, 0.004, -0.006]]], [[[0.0, 0.0, 0.0]]]])
    fake = Int8Weights()
    assert fake(weights) is weights
    fake.enable_fake_quant()
    snapped = fake(weights)
    assert snapped.flatten().tolist() == pytest.approx([1.27, 0, -0.01, 0, 0, 0], abs=1e-6)


def test_inputs_beyond_the_limit_are_cut_and_tell_it_to_grow() -> None:
    fake = Int8Inputs()
    fake.set_limit(12.7)
    values = torch.tensor([0.14, -0.05, 20.0, -20.0], requires_grad=True)
    snapped = fake(values)
    assert snapped.tolist() == pytest.approx([0.1, -0.1, 12.7, -12.7], abs=1e-5)
    assert fake.scale == pytest.approx(10)
    snapped[2].backward()
    assert fake.limit.grad is not None
    assert float(fake.limit.grad) > 0
    assert values.grad is not None
    assert values.grad.tolist() == [0, 0, 0, 0]


def test_before_it_computes_int8_it_is_the_network(network: Branches) -> None:
    inputs = torch.rand(3, 1, 6, 6)
    traced = Int8Network(network, (1, 6, 6))
    assert len(traced.layers) == 4
    with torch.no_grad():
        assert torch.allclose(traced(inputs), network(inputs), atol=1e-6)
        assert torch.allclose(traced(inputs[:1]), network(inputs[:1]), atol=1e-6)


def test_layers_that_read_the_same_share_its_scale(network: Branches) -> None:
    first, left, right, last = Int8Network(network, (1, 6, 6)).layers
    assert left.inputs is right.inputs
    assert len({id(layer.inputs) for layer in (first, left, last)}) == 3


def test_it_computes_what_integers_give(network: Branches) -> None:
    inputs = torch.rand(5, 1, 6, 6) - 0.3
    traced = Int8Network(network, (1, 6, 6))
    traced.observe([inputs])
    values = inputs
    with torch.no_grad():
        first, left, right, last = traced.layers
        values = torch.relu(_in_integers(first, values, padding=1))
        total = _in_integers(left, values, padding=1, groups=4) + _in_integers(right, values)
        expected = _in_integers(last, torch.relu(total).mean((2, 3)))
        assert torch.allclose(traced(inputs), expected, atol=1e-5)
        assert not torch.allclose(traced(inputs), network(inputs), atol=1e-5)


def _in_integers(layer, values, **shape):
    """int8 times int8, summed as integers, then divided by both scales; as ncnn computes."""
    weights = layer.weights.detach().flatten(1)
    scales = 127 / weights.abs().amax(1)
    whole = _round(weights * scales[:, None]).reshape(layer.weights.shape)
    read = _round(values * layer.inputs.scale).clamp(-127, 127)
    product = (
        nn.functional.linear(read, whole)
        if whole.dim() == 2
        else nn.functional.conv2d(read, whole, **shape)
    )
    assert float(product.abs().max()) < 2**24  # whole numbers still, in floats
    sides = (1, -1, *[1] * (product.dim() - 2))
    total = product / (scales * layer.inputs.scale).reshape(sides)
    return total if layer.bias is None else total + layer.bias.reshape(sides)


def _round(values: torch.Tensor) -> torch.Tensor:
    numbers = values.numpy()
    return torch.from_numpy(np.copysign(np.floor(np.abs(numbers) + 0.5), numbers))


def test_what_has_no_such_layer_is_refused() -> None:
    with pytest.raises(WrongInput, match="no convolution and no inner product"):
        Int8Network(nn.Flatten(), (1, 4, 4))
