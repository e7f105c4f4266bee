"""A parent's network changed so that a variant's weights fit it."""

import pytest
import torch
from torch import nn

from piyard.core.errors import ConversionFailed
from piyard.models.architectures.yolo_blocks import C2PSA, C2f, C3k2
from piyard.models.architectures.yolo_split import split_halves
from piyard.models.edits import LowRank, SplitHalves, apply_edits, fit_shapes, replace_layer
from piyard.models.networks import build_network, input_shape
from piyard.models.tensor_file import TensorFile, read_tensor_file, write_tensor_file


def shapes_of(network):
    return {name: tuple(values.shape) for name, values in network.state_dict().items()}


@pytest.mark.parametrize(
    "block",
    [
        C2f(16, 32, 2, shortcut=True),
        C3k2(16, 32, 1, deep=True),
        C3k2(16, 32, 1, share=0.25),
        C2PSA(128, 1),
    ],
    ids=["C2f", "C3k2 deep", "C3k2 narrow", "C2PSA"],
)
@torch.no_grad()
def test_a_split_block_computes_the_same(block):
    for values in (*block.parameters(), *block.buffers()):
        if values.is_floating_point():
            values.uniform_(0.5, 1.5)
    x = torch.randn(1, block.cv1.conv.in_channels, 8, 8)
    block.eval()
    split = split_halves(block)
    assert split is not None
    assert not split.training
    torch.testing.assert_close(split(x), block(x), rtol=1e-5, atol=1e-5)


def test_other_blocks_have_no_halves():
    assert split_halves(nn.Conv2d(3, 3, 1)) is None


@torch.no_grad()
def test_yolo_with_all_blocks_split_computes_the_same():
    network = build_network("yolov8n", 4)
    x = torch.rand(1, 3, 64, 64)
    before = network(x)
    blocks = [name for name, each in network.named_modules() if isinstance(each, C2f)]
    apply_edits(network, [SplitHalves(layer=name) for name in blocks])
    assert len(blocks) == 8
    for ours, theirs in zip(network(x), before, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["channels", "rows"])
def test_a_convolution_of_low_rank_has_the_shapes_of_the_whole_one(form):
    whole = nn.Conv2d(6, 10, 3, stride=2, padding=1)
    network = nn.Sequential(whole)
    apply_edits(network, [LowRank(layer="0", rank=4, form=form)])
    assert network(torch.zeros(1, 6, 9, 12)).shape == whole(torch.zeros(1, 6, 9, 12)).shape
    between = {"channels": (4, 6, 3, 3), "rows": (4, 6, 3, 1)}[form]
    assert network.get_parameter("0.first.weight").shape == between
    assert "0.first.bias" not in dict(network.named_parameters())
    assert network.get_parameter("0.second.bias").shape == (10,)


def test_a_matrix_of_low_rank():
    network = nn.Sequential(nn.Linear(12, 5))
    apply_edits(network, [LowRank(layer="0", rank=2)])
    assert shapes_of(network) == {
        "0.first.weight": (2, 12),
        "0.second.weight": (5, 2),
        "0.second.bias": (5,),
    }


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (LowRank(layer="7", rank=2), "'7', which the network does not have"),
        (LowRank(layer="0", rank=2), "neither a matrix nor a convolution of one group"),
        (SplitHalves(layer="1"), "not a block whose first convolution is cut in two"),
    ],
)
def test_an_edit_of_what_there_is_not_is_refused(edit, why):
    network = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU())
    with pytest.raises(ConversionFailed, match=why):
        apply_edits(network, [edit])


def test_widths_are_those_of_the_file(tmp_path):
    """A narrower MobileNetV2: plain and depthwise convolutions, norms, a matrix."""
    narrow = build_network("mobilenet_v2", 10)
    for name, values in narrow.state_dict().items():
        if name.startswith("features.2.conv.0.") and values.dim():  # the widened 96 channels
            cut = values[:48].clone()
            layer = narrow.get_submodule(name.rpartition(".")[0])
            leaf = name.rpartition(".")[2]
            is_parameter = leaf in dict(layer.named_parameters(recurse=False))
            setattr(layer, leaf, nn.Parameter(cut) if is_parameter else cut)
    file = tmp_path / "weights.safetensors"
    state = narrow.state_dict()
    state |= {
        name: values[:48]
        for name, values in state.items()
        if name.startswith("features.2.conv.1.") and values.dim()
    }
    state["features.2.conv.2.weight"] = state["features.2.conv.2.weight"][:, :48]
    write_tensor_file(file, state)
    network = build_network("mobilenet_v2", 10)
    fit_shapes(network, TensorFile(file).shapes)
    network.load_state_dict(dict(read_tensor_file(file)))
    depthwise = network.get_submodule("features.2.conv.1.0")
    assert isinstance(depthwise, nn.Conv2d)
    assert (depthwise.groups, depthwise.in_channels, depthwise.out_channels) == (48, 48, 48)
    assert network.eval()(torch.zeros(1, *input_shape(network))).shape == (1, 10)


def test_what_is_as_wide_as_the_file_stays_itself():
    network = build_network("squeezenet1_1", 10)
    before = {name: id(values) for name, values in network.named_parameters()}
    fit_shapes(network, shapes_of(network))
    assert {name: id(values) for name, values in network.named_parameters()} == before


def test_a_layer_is_replaced_in_the_network_itself_and_in_a_part():
    network = nn.Sequential(nn.Sequential(nn.ReLU()), nn.ReLU())
    replace_layer(network, "0.0", nn.Sigmoid())
    replace_layer(network, "1", nn.Tanh())
    assert [type(each) for each in network.modules()][2:] == [nn.Sigmoid, nn.Tanh]
