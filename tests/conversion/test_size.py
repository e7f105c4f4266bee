"""Params and multiplications counted in ncnn's graph, against torch's own counter."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from piyard.convert.lowering import trace_network
from piyard.convert.net_size import count_macs, count_operations, count_params
from piyard.convert.param import Layer
from piyard.convert.reference import TorchReference
from piyard.models.networks import build_network, inference


def both(network, shape, at: Path):
    """What torch counts, and what ncnn's graph says."""
    with inference():
        reference = TorchReference(network=network.eval(), shapes=[shape], write=trace_network)
        reference.lower(at, half=False)
        counted = count_operations(at, [np.zeros(shape, np.float32)])
        return reference.size(), msgspec.structs.asdict(counted)


@pytest.mark.parametrize(
    "name", ["squeezenet1_1", "resnet18", "mobilenet_v2", "shufflenet_v2_x1_0"]
)
def test_multiplications_are_torchs(tmp_path, name):
    result, counted = both(build_network(name, 1000), (3, 96, 96), tmp_path)
    assert counted["macs"] == result["macs"]
    assert counted["params"] == pytest.approx(result["params"], rel=0.01)
    assert counted["params"] <= result["params"]


def test_parameters_are_torchs_where_nothing_is_folded(tmp_path):
    result, counted = both(build_network("squeezenet1_1", 10), (3, 64, 64), tmp_path)
    assert counted == result


class Attention(nn.Module):
    """Matrices of two tensors, with and without a scale."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Conv2d(3, 24, 1)

    def forward(self, x):
        q, k, v = self.qkv(x).flatten(2).chunk(3, dim=1)
        return torch.softmax(q.transpose(1, 2) @ k, dim=-1) @ v.transpose(1, 2)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.PReLU(4)),
        nn.Sequential(nn.Conv2d(3, 12, 3, groups=3), nn.ConvTranspose2d(12, 5, 2, stride=2)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 7)),
        nn.Sequential(nn.Flatten(2), nn.Linear(64, 5)),
        Attention(),
    ],
    ids=["prelu", "transposed", "linear", "linear of rows", "matrices"],
)
def test_each_kind_of_layer(tmp_path, network):
    result, counted = both(network, (3, 8, 8), tmp_path)
    assert counted == result
    assert counted["macs"] > 0


def test_a_layer_that_multiplies_nothing():
    relu = Layer(type="ReLU", name="r", bottoms=["a"], tops=["b"])
    assert count_macs(relu, {"a": (4, 8, 8), "b": (4, 8, 8)}) == count_params(relu) == 0


def test_scaled_attention_counts_both_products():
    """As FlopCounterMode counts it: query by key, then weights by value."""
    layer = Layer(type="SDPA", name="s", bottoms=["q", "k", "v"], tops=["o"])
    shapes = {"q": (2, 5, 8), "k": (2, 7, 8), "v": (2, 7, 6), "o": (2, 5, 6)}
    assert count_macs(layer, shapes) == 2 * (5 * 7 * 8 + 5 * 7 * 6)
