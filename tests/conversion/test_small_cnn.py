"""The family of small classifiers."""

import pytest
import torch

from piyard.convert.own.defaults import network_defaults, parse_network
from piyard.core.errors import WrongInput
from piyard.models.architectures.small_cnn import SmallCnn, parse_small_cnn
from piyard.models.networks import build_network, inference, input_shape
from piyard.models.synthetic import randomise


def test_names_mean_members_and_back() -> None:
    assert parse_small_cnn("small_cnn") == SmallCnn()
    member = SmallCnn(width=24, depth=3, kernel=5, dense=True, channels=3)
    assert member.name == "small_cnn/w24-d3-k5-dense-c3"
    assert parse_small_cnn(member.name) == member


@pytest.mark.parametrize("name", ["small_cnn/w0-d2-k3", "small_cnn/w16-d0-k3"])
def test_a_network_without_channels_or_blocks_is_none(name: str) -> None:
    with pytest.raises(WrongInput, match="not a network of the family small_cnn"):
        parse_small_cnn(name)


def test_a_name_of_another_kernel_is_unknown() -> None:
    with pytest.raises(WrongInput, match="unknown network 'small_cnn/w16-d2-k4'"):
        parse_network("small_cnn/w16-d2-k4")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        # 8 first channels; depthwise 9 a channel, 1 x 1, two norms; 32 x 10 and 10 of the last.
        ("small_cnn/w8-d1-k3", 72 + 16 + (72 + 64 + 32) + (72 + 128 + 48) + (144 + 512 + 96) + 330),
        ("small_cnn/w8-d1-k3-dense", 72 + 16 + (576 + 16) + (1152 + 32) + (4608 + 64) + 330),
    ],
)
def test_its_weights_are_those_of_the_blocks(name: str, params: int) -> None:
    network = build_network(name, 10)
    assert sum(values.numel() for values in network.parameters()) == params
    assert network(torch.zeros(2, *input_shape(network))).shape == (2, 10)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_seeded_weights_fit_pictures_of_any_channels(channels: int) -> None:
    network = build_network(SmallCnn(width=8, depth=1, channels=channels).name, 10)
    with inference():
        randomise(network)
        answers = network(torch.rand(8, *input_shape(network)))
    assert input_shape(network) == (channels, 28, 28)
    assert bool(answers.isfinite().all())
    assert float(answers.std(0).min()) > 0


def test_model_add_knows_how_its_pictures_are_prepared() -> None:
    result = network_defaults("small_cnn")
    assert (result.size, result.preprocess and result.preprocess["order"]) == ("1,28,28", "gray")
