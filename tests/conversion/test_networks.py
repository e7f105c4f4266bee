"""The networks against the programs they come from, and the names of their parameters."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from piyard.core.errors import WrongInput
from piyard.core.files import sha256_of_value
from piyard.core.mirror import find_in_mirror
from piyard.models import synthetic
from piyard.models.architectures.anchor_free import Focus, FrozenBatchNorm
from piyard.models.architectures.classifiers import torchvision_models
from piyard.models.networks import (
    CLASSIFIERS,
    FCOS,
    NETWORK_NAMES,
    YOLO,
    build_network,
    inference,
    input_shape,
)
from piyard.models.synthetic import random_tensor
from tests.conversion.drawn_weights import drawn
from tests.support.checkpoints import read_checkpoint

DATA = Path(__file__).parent / "data"
PLACES = 16
FIXTURES = {path.stem: json.loads(path.read_text()) for path in DATA.glob("*_raw.json")}
CASES = [(kind, name) for kind, result in FIXTURES.items() for name in result["networks"]]
INPUTS = {
    "yolo_raw": lambda x: (x + 1) / 2,
    "yolox_raw": lambda x: x * 2,
    "rtmpose_raw": lambda x: x * 2,
}


@pytest.fixture(autouse=True)
def without_gradients():
    with inference():
        yield


def own(name):
    """The networks that piyard describes itself."""
    return build_network(name, 91 if name in FCOS else 1 if "pose" in name else 80)


def names_of(network):
    """One figure for all names and shapes of a state_dict."""
    named = network.state_dict().items()
    return sha256_of_value(sorted([name, list(values.shape)] for name, values in named))


def described(kind, name):
    result = FIXTURES[kind]["networks"][name]
    return build_network(name.split()[0], result["classes"]), result


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_parameters_are_called_as_by_their_authors(kind, name):
    network, result = described(kind, name)
    assert names_of(network) == result["names"]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_same_is_computed_as_by_its_authors_program(kind, name, request):
    network, result = described(kind, name)
    if result["weights"] == "drawn":
        state = drawn(network.state_dict())
    else:
        request.getfixturevalue("mirror")
        path = find_in_mirror(result["weights"])
        assert path
        state = read_checkpoint(path)
    network.load_state_dict(state, strict=True)
    shape = FIXTURES[kind]["shape"]
    outputs = network(torch.from_numpy(INPUTS[kind](random_tensor((1, *shape)))))
    assert [list(output.shape[1:]) for output in outputs] == [
        output["shape"] for output in result["outputs"]
    ]
    for each, expected in zip(outputs, result["outputs"], strict=True):
        at = torch.linspace(0, each.numel() - 1, PLACES, dtype=torch.float64).long()
        assert each.flatten()[at].numpy() == pytest.approx(expected["values"], rel=1e-4, abs=1e-4)


def test_the_fixtures_tell_something():
    for result in FIXTURES.values():
        values = [
            output["values"] for net in result["networks"].values() for output in net["outputs"]
        ]
        assert min(np.std(each) for each in values) > 5e-3


def torchvisions_fcos(norm, classes=91):
    """torchvision's own, made as it makes the one of its trained weights."""
    models = torchvision_models()
    own_backbone = build_network("fcos_resnet50_fpn", classes).backbone
    backbone = models.detection.backbone_utils._resnet_fpn_extractor(
        models.resnet50(norm_layer=norm),
        3,
        returned_layers=[2, 3, 4],
        extra_blocks=models.detection.fcos.LastLevelP6P7(256, 256),
    )
    assert type(backbone) is type(own_backbone)
    return models.detection.fcos.FCOS(backbone, num_classes=classes).eval()


def frozen_norm():
    return torchvision_models().detection.backbone_utils.misc_nn_ops.FrozenBatchNorm2d


def test_fcos_parameters_are_called_as_torchvisions():
    assert names_of(own("fcos_resnet50_fpn")) == names_of(torchvisions_fcos(frozen_norm()))


def test_fcos_computes_what_torchvisions_does():
    """Its head's outputs before the boxes: (places, classes), (places, 4), (places, 1)."""
    original = torchvisions_fcos(frozen_norm())
    original.load_state_dict(drawn(original.state_dict()), strict=True)
    network = own("fcos_resnet50_fpn")
    network.load_state_dict(original.state_dict(), strict=True)
    x = torch.from_numpy(random_tensor((1, 3, 128, 256))) * 2
    expected = original.head(list(original.backbone(x).values()))
    outputs = network(x)
    for part, key in enumerate(("cls_logits", "bbox_regression", "bbox_ctrness")):
        maps = [output.flatten(2).transpose(1, 2) for output in outputs[part::3]]
        got = torch.cat(maps, 1)
        if key == "bbox_regression":  # torchvision already cuts off what is negative
            assert (got < 0).any()
            got = got.relu()
        torch.testing.assert_close(got, expected[key], rtol=1e-4, atol=1e-5)


def test_frozen_normalisation_is_torchvisions():
    ours, theirs = FrozenBatchNorm(5), frozen_norm()(5)
    theirs.load_state_dict(drawn(theirs.state_dict()))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.from_numpy(random_tensor((2, 5, 3, 4)))
    torch.testing.assert_close(ours(x), theirs(x))
    assert not list(ours.parameters())


def squares(x):
    """The original's way: every second pixel, four times."""
    return torch.cat([x[..., row::2, col::2] for col in (0, 1) for row in (0, 1)], 1)


@pytest.mark.parametrize("size", [(8, 8), (2, 2), (6, 14), (64, 2)])
@pytest.mark.parametrize("after", [1, 16])
def test_focus_is_exactly_a_convolution_over_every_second_pixel(size, after):
    torch.manual_seed(after)
    focus = Focus(3, after).double()
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    expected = nn.functional.conv2d(squares(x), focus.weight, padding=1)
    torch.testing.assert_close(focus(x), expected, rtol=0, atol=1e-14)
    assert sorted(focus.over_pixels().flatten()) == sorted(focus.weight.flatten())


@pytest.mark.parametrize("name", sorted(NETWORK_NAMES - CLASSIFIERS))
def test_random_weights_stay_in_the_middle_of_halves(name):
    """Every layer's output far from where halves end, and none of them asleep."""
    network = own(name)
    synthetic.randomise(network)
    largest = []
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda _, __, result: largest.append(float(result.abs().max()))
            )
    x = 2 * random_tensor((1, *input_shape(network)), 5)
    outputs = network(torch.from_numpy(x))
    assert max(largest) < 1000
    assert all(0.05 < float(output.abs().mean()) < 20 for output in outputs)


@pytest.mark.parametrize("name", ["yolox_nano", "rtmpose-t", "yolov8n-seg"])
def test_random_weights_are_the_same_every_time(name):
    states = []
    for _ in range(2):
        network = own(name)
        synthetic.randomise(network)
        states.append(network.state_dict())
    assert all(torch.equal(values, states[1][key]) for key, values in states[0].items())


def test_random_weights_normalise_what_has_a_bias_and_what_has_none():
    class Net(nn.Module):
        shape = (3, 32, 32)

        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 6, 2, 2)
            self.mix = nn.Linear(64, 9, bias=False)

        def forward(self, x):
            self.after_up = self.up(x)
            self.after_mix = self.mix(self.after_up)
            return self.after_mix

    network = Net()
    synthetic.randomise(network)
    up = network.after_up.transpose(0, 1).flatten(1)
    mix = network.after_mix.flatten(0, -2)
    assert up.mean(1).abs().max() < 1e-9
    assert up.std(1).numpy() == pytest.approx(np.ones(6), rel=1e-9)
    assert mix.std(0).numpy() == pytest.approx(np.ones(9), rel=1e-9)


def test_the_distribution_of_lengths_is_the_published_one():
    network = own("yolov8n")
    assert network.model[22].dfl.conv.weight.flatten().tolist() == list(range(16))


@pytest.mark.parametrize("name", sorted(YOLO))
def test_a_network_for_few_classes(name):
    outputs = build_network(name, 3, keypoints=5)(torch.zeros(1, 3, 32, 64))
    channels = {output.shape[1] for output in outputs}
    task = name.partition("-")[2]
    assert (
        channels == {"": {64, 3}, "seg": {64, 3, 32}, "pose": {64, 3, 15}, "obb": {64, 3, 1}}[task]
    )


def test_an_unknown_network_names_the_nearest():
    with pytest.raises(WrongInput, match="yolov8n-seg"):
        build_network("yolov8n-sge", 80)
