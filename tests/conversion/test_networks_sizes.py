"""Parameters and work of the networks, counted, against what their publishers say.

Publishers count differently, so each row names how: ``conv`` counts multiply-accumulates of
convolutions and matrices only; ``all`` adds two for each normalised value and one for each bias
added, as thop and mmengine do; ``seg`` counts a transposed convolution at every place of its
output with its whole kernel, as Ultralytics' tables do: four times what is computed.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from piyard.convert.net_size import count_operations
from piyard.models.definition import load_model, model_names, read_labels
from piyard.models.networks import NETWORK_NAMES, build_network
from piyard.models.weights import choose_weights
from tests.support.originals import reference_model

ROWS = {
    "resnet18": "conv",
    "resnet50": "conv",
    "mobilenet_v2": "conv",
    "squeezenet1_1": "conv",
    "shufflenet_v2": "conv",
    "yolov8_n": "conv",
    "yolov8_s": "conv",
    "yolo26_n": "",
    "yolov8_n_seg": "seg",
    "yolov8_s_seg": "seg",
    "yolov8_n_pose": "conv",
    "yolo11_n_obb": "conv",
    "yolov8_n_bytetrack": "conv",
    "yolox_nano": "all",
    "yolox_tiny": "all",
    "yolox_s": "all",
    "fcos": "conv",
    "rtmpose_t": "all",
    "rtmpose_s": "all",
    "bytetrack": "",
}
EXACT = {
    "resnet18": 11_689_512,
    "yolov8_n": 3_157_200,
    "yolov8_s": 11_166_560,
    "yolox_s": 8_968_255,
    "fcos": 32_269_600,
}


def built(name):
    read = load_model(name)
    return build_network(read.network, len(read_labels(read))), read


def counted(network, shape, way):
    """Multiply-accumulates of one inference, as that publisher counts."""
    more = [0]

    def add(number):
        return lambda module, _, out: more.__setitem__(0, more[0] + number(module, out))

    for module in network.modules():
        if way == "all" and isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(add(lambda _, out: 2 * out.numel()))
        if way == "all" and isinstance(module, nn.Conv2d) and module.bias is not None:
            module.register_forward_hook(add(lambda _, out: out.numel()))
        if way == "seg" and isinstance(module, nn.ConvTranspose2d):
            number = add(lambda each, out: out.numel() * each.in_channels * 3)
            module.register_forward_hook(number)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.to("meta")(torch.zeros(1, *shape, device="meta"))
    return counter.get_total_flops() // 2 + more[0]


def test_every_row_that_is_built_here_is_counted():
    """One that ships with published figures; a model of somebody's own need not have any."""
    built_here = {name for name in model_names() if load_model(name).network in NETWORK_NAMES}
    assert built_here >= set(ROWS)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_parameters_are_the_published_ones(name):
    network, read = built(name)
    params = sum(values.numel() for values in network.parameters())
    assert params == pytest.approx(read.published.params, rel=0.01)
    assert params == EXACT.get(name, params)


@pytest.mark.parametrize("name", sorted(name for name, way in ROWS.items() if way))
def test_work_is_the_published_one(name):
    network, read = built(name)
    assert counted(network, read.input, ROWS[name]) == pytest.approx(read.published.macs, rel=0.01)
    assert read.published.source


@pytest.mark.parametrize("name", ["yolov8_n_seg", "yolov8_s_seg"])
def test_what_a_segmenting_network_really_computes_is_less_than_published(name):
    """By the transposed convolution alone, three times."""
    network, read = built(name)
    real = counted(network, read.input, "conv")
    wide = network.model[22].proto.cv1.conv.out_channels
    assert counted(network, read.input, "seg") - real == 3 * wide * wide * 160 * 160
    assert real < 0.96 * read.published.macs


TWINS = {
    "yolox_nano_onnx": "yolox_nano",
    "yolo11_n_seg": "yolo11n-seg",
    "yolo11_n_pose": "yolo11n-pose",
}
"""Files of ONNX that were made from what is described here too."""
PARAMS = {*TWINS, "nanodet", "rtmdet_nano_person"}


def counted_in_ncnn(name, folder):
    read = load_model(name)
    reference_model(read, choose_weights(read)).lower(folder, half=False)
    return count_operations(folder, [np.zeros(read.input, np.float32)]), read


@pytest.mark.parametrize("name", sorted(PARAMS))
def test_a_file_of_onnx_has_the_published_size(name, mirror, tmp_path):
    """Less the factors that were folded into the convolutions."""
    result, read = counted_in_ncnn(name, tmp_path)
    assert result.params == pytest.approx(read.published.params, rel=0.01)
    if name in TWINS:
        network = build_network(TWINS[name], len(read_labels(read)))
        assert result.macs == counted(network, read.input, "conv")
