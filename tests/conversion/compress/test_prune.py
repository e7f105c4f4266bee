"""Networks with fewer channels, as ``compress --method prune`` makes them."""

from contextlib import nullcontext

import msgspec
import pytest
import torch
from torch import nn

from piyard.cli.compress import compress_model
from piyard.cli.compress_request import CompressRequest
from piyard.compress.networks import open_network
from piyard.compress.prune import WIDTH_STEP, fixed_layers, prune_network, split_blocks
from piyard.compress.search import count_macs
from piyard.convert.own.ownership import plan_removal
from piyard.core.errors import WrongInput
from piyard.models.definition import load_model, model_names
from piyard.models.edits import apply_edits, fit_shapes
from piyard.models.networks import build_network, meta_weights
from tests.conversion.compress.conftest import CLASSES


def compress(**typed):
    compress_model(CompressRequest.parse({"model": "small", **typed}))


def widths(network):
    return [each.out_channels for each in network.modules() if isinstance(each, nn.Conv2d)]


def test_a_pruned_model_is_a_model_with_half_the_work(small, halves, capsys):
    """Made once; the same command finds it, and it is rebuilt from its manifest alone."""
    typed = {"method": ["prune"], "data": str(halves), "steps": "6", "batch": "8"}
    compress(**typed)
    pruned = load_model("small@prune50")
    variant = pruned.variant
    assert variant is not None
    assert (variant.parent, variant.method, pruned.own) == (small, "prune", True)
    ours, whole = open_network(pruned), open_network(load_model(small))
    shape = load_model(small).input
    assert count_macs(ours, shape) <= 0.5 * count_macs(whole, shape)
    assert all(width % WIDTH_STEP == 0 for width in widths(ours))
    assert widths(ours) != widths(whole)
    capsys.readouterr()
    compress(**typed)
    assert "small@prune50: nothing changed" in capsys.readouterr().err
    compress_model(CompressRequest.parse({"rebuild": "small@prune50", "format": "json"}))
    assert '"State": "the same bytes"' in capsys.readouterr().out
    with pytest.raises(WrongInput, match="of other settings"):
        compress(**typed | {"steps": "7"})
    with pytest.raises(WrongInput, match="'small' has variants: small@prune50"):
        plan_removal(small)


def test_a_ratio_that_cannot_be_reached_is_refused(small):
    with pytest.raises(WrongInput, match="multiples of 8 leave"):
        compress(method=["prune"], ratio="0.999")
    assert model_names() == [small]


def test_the_classes_keep_their_layer(small):
    model = load_model(small)
    network = open_network(model)
    (last,) = fixed_layers(network, model)
    assert isinstance(last, nn.Linear)
    assert last.out_features == len(CLASSES)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("shufflenet_v2_x0_5", "cannot be followed"),
        ("vit_b_32", "beside its convolutions, matrices and norms: class_token"),
    ],
)
def test_networks_that_rearrange_channels_are_refused(network, why):
    model = msgspec.structs.replace(load_model("shufflenet_v2"), name=network)
    with meta_weights() if network.startswith("vit") else nullcontext():
        module = build_network(network, 4)
    with pytest.raises(WrongInput, match=why):
        prune_network(module, model, 0.3, ())


def test_a_yolo_is_pruned_with_its_halves_apart():
    network = build_network("yolov8n", 3)
    edits = split_blocks(network)
    model = msgspec.structs.replace(load_model("yolov8_n"), input=(3, 64, 64))
    whole = count_macs(network, model.input)
    prune_network(network, model, 0.3, ())
    assert count_macs(network, model.input) <= 0.7 * whole
    again = build_network("yolov8n", 3)
    apply_edits(again, edits)
    fit_shapes(again, {name: tuple(v.shape) for name, v in network.state_dict().items()})
    again.load_state_dict(network.state_dict())
    picture = torch.rand(1, *model.input)
    with torch.no_grad():
        pairs = zip(network.eval()(picture), again.eval()(picture), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
