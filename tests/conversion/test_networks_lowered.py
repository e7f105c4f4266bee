"""Every network piyard describes, traced, lowered by pnnx and computed by ncnn."""

import numpy as np
import pytest
import torch

from piyard import infer, lowering, networks, programs, random_weights, stimulus
from piyard.compare import compare_outputs
from piyard.torch_shim import inference

SIDES = {"fcos_resnet50_fpn": (128, 256), "rtmpose-t": (256, 192), "rtmpose-s": (256, 192)}
OWN = sorted(networks.NAMES - networks.CLASSIFIERS)
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


def lower(name, tmp_path):
    """The network with random weights, one input for it, ncnn's layers and ncnn's net."""
    shape = (1, 3, *SIDES.get(name, (64, 96)))
    network = networks.build(name, 91 if name in networks.FCOS else 1 if "pose" in name else 80)
    random_weights.randomise(network)
    (tmp_path / "scratch").mkdir()
    program = programs.trace(network, [shape], [], tmp_path / "scratch", "model")
    layers = lowering.lower(program, [shape], tmp_path, half=False)
    return network, 2 * stimulus.tensor(shape, 3), layers, infer.load(tmp_path)


@pytest.mark.parametrize("name", OWN)
def test_ncnn_computes_what_torch_does(name, tmp_path):
    with inference():
        network, x, layers, net = lower(name, tmp_path)
        outputs = network(torch.from_numpy(x))
    got = list(infer.run(net, x[0]).values())
    assert [one.shape for one in got] == [tuple(one.shape[1:]) for one in outputs]
    for wanted, one in zip(outputs, got, strict=True):
        assert compare_outputs(wanted.numpy(), one).cosine >= 0.999999
        assert np.abs(wanted[0].numpy() - one).max() < 1e-3
    if name not in networks.RTMPOSE:
        used = {layer.type for layer in layers}
        assert used <= PLAIN | (ATTENTION if "11" in name else set())


def test_the_focus_of_yolox_is_one_convolution(tmp_path):
    with inference():
        _, _, layers, _ = lower("yolox_nano", tmp_path)
    assert layers[1].type == "Convolution"
    assert [layers[1].number(key) for key in (1, 3, 4, 6)] == [6, 2, 2, 16 * 3 * 6 * 6]


def test_normalisations_are_folded_away(tmp_path):
    with inference():
        _, _, layers, _ = lower("fcos_resnet50_fpn", tmp_path)
    kinds = [layer.type for layer in layers]
    assert not {"BatchNorm", "Scale", "MemoryData"} & set(kinds)
    assert kinds.count("GroupNorm") == 40  # four a branch, two branches, five levels
