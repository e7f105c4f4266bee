"""Every network piyard describes, traced, lowered by pnnx and computed by ncnn."""

from functools import cache

import numpy as np
import pytest
import torch

from piyard.convert.difference import compare_outputs
from piyard.convert.lowering import lower_program, script_network, trace_network
from piyard.convert.ncnn_net import load_net, run_net
from piyard.models import synthetic
from piyard.models.architectures.classifiers import torchvision_models
from piyard.models.networks import (
    CLASSIFIERS,
    FCOS,
    NETWORK_NAMES,
    RTMPOSE,
    YOLO_CLASSIFIERS,
    build_network,
    inference,
)
from piyard.models.synthetic import random_tensor

SIDES = {"fcos_resnet50_fpn": (128, 256), "rtmpose-t": (256, 192), "rtmpose-s": (256, 192)}
OWN = sorted(NETWORK_NAMES - CLASSIFIERS)
PLAIN = {
    "BinaryOp",
    "Concat",
    "Convolution",
    "ConvolutionDepthWise",
    "Deconvolution",
    "GroupNorm",
    "Input",
    "Interp",
    "Pooling",
    "ReLU",
    "Slice",
    "Split",
    "Swish",
}
"""Layers that cost nothing beside the work itself."""
ATTENTION = {"MatMul", "Permute", "Reshape", "Softmax"}


@pytest.fixture(scope="module")
def lowered(tmp_path_factory):
    """By name, made once: torch's outputs for one input, ncnn's layers, and ncnn's outputs."""

    def lower_once(name, way=trace_network):
        return lower(name, tmp_path_factory.mktemp(name), way)

    return cache(lower_once)


def lower(name, folder, way):
    classes = 91 if name in FCOS else 1 if "pose" in name else 80
    with inference():
        return lower_network(build_network(name, classes), SIDES.get(name, (64, 96)), folder, way)


def lower_network(network, sides, folder, way=trace_network):
    shape = (1, 3, *sides)
    x = 2 * random_tensor(shape, 3)
    (folder / "scratch").mkdir()
    with inference():
        synthetic.randomise(network)
        program = way(network, [shape], [], folder / "scratch", "model")
        outputs = [each.numpy() for each in network(torch.from_numpy(x))]
    layers = lower_program(program, [shape], folder, half=False)
    return outputs, layers, list(run_net(load_net(folder), x[0]).values())


@pytest.mark.parametrize("name", OWN)
def test_ncnn_computes_what_torch_does(name, lowered):
    outputs, layers, got = lowered(name)
    assert [item.shape for item in got] == [output.shape[1:] for output in outputs]
    for expected, each in zip(outputs, got, strict=True):
        assert compare_outputs(expected, each).cosine >= 0.999999
        assert np.abs(expected[0] - each).max() < 1e-3
    if name not in RTMPOSE:
        used = {layer.type for layer in layers}
        more = ATTENTION if "11" in name or "26" in name else set()
        ends = {"InnerProduct", "Reshape"} if name in YOLO_CLASSIFIERS else set()
        assert used <= PLAIN | more | ends


def test_the_focus_of_yolox_is_one_convolution(lowered):
    _, layers, _ = lowered("yolox_nano")
    assert layers[1].type == "Convolution"
    assert [layers[1].number(key) for key in (1, 3, 4, 6)] == [6, 2, 2, 16 * 3 * 6 * 6]


def test_normalisations_are_folded_away(lowered):
    _, layers, _ = lowered("fcos_resnet50_fpn")
    kinds = [layer.type for layer in layers]
    assert not {"BatchNorm", "Scale", "MemoryData"} & set(kinds)
    assert kinds.count("GroupNorm") == 40  # four a branch, two branches, five levels


@pytest.mark.parametrize("name", ["yolox_nano", "rtmpose-t"])
def test_scripted_they_are_the_same_net(name, lowered):
    """YOLO's growing lists and torchvision's pyramid are beyond what pnnx reads of scripts."""
    outputs, layers, got = lowered(name, script_network)
    _, traced, _ = lowered(name)
    assert sorted(layer.type for layer in layers) == sorted(each.type for each in traced)
    assert min(compare_outputs(*pair).cosine for pair in zip(outputs, got, strict=True)) >= 0.999999


FAMILIES = ["mobilenet_v3_small", "regnet_y_400mf"]
"""Of torchvision's classifiers, small ones with layers that piyard's own networks have not."""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_classifier_of_each_family(name, tmp_path):
    outputs, _, got = lower_network(build_network(name, 7), (64, 96), tmp_path)
    assert compare_outputs(outputs[0], got[0]).cosine >= 0.999999


def small_transformer():
    return torchvision_models().VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=64, mlp_dim=96
    )


def small_convnext():
    parts = torchvision_models().convnext
    blocks = [parts.CNBlockConfig(24, 48, 1), parts.CNBlockConfig(48, None, 2)]
    return parts.ConvNeXt(blocks, num_classes=7)


@pytest.mark.parametrize("build", [small_transformer, small_convnext])
def test_a_small_one_of_a_family_of_large_ones(build, tmp_path):
    network = build().eval()
    network.shape = (3, 32, 32)
    outputs, _, got = lower_network(network, (32, 32), tmp_path)
    assert compare_outputs(outputs[0], got[0]).cosine >= 0.999999
