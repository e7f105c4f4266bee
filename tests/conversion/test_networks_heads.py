"""What a row's network puts out is what the row's head, labels and keypoints say it is."""

import numpy as np
import pytest
import torch

from piyard.models.definition import label_list_path, load_model, model_names, read_labels
from piyard.models.networks import NETWORK_NAMES, YOLO, YOLO26, build_network
from piyard.vision.dense_head import read_places
from piyard.vision.head_schema import DenseHead, Simcc

ROWS = [name for name in model_names() if load_model(name).network in NETWORK_NAMES]
DENSE = [
    name for name in ROWS if load_model(name).head and "rtmpose" not in load_model(name).network
]


def outputs_of(read):
    """Arrays as the network puts them out, their values unset."""
    network = build_network(read.network, len(read_labels(read))).to("meta")
    with torch.no_grad():
        maps = network(torch.zeros(1, *read.input, device="meta"))
    return [np.zeros(each.shape[1:], np.float32) for each in maps]


@pytest.mark.parametrize("name", DENSE)
def test_a_dense_heads_channels_are_all_accounted_for(name):
    read = load_model(name)
    assert isinstance(read.head, DenseHead)
    outputs = outputs_of(read)
    at = read.spec.channel_layout(read.head, outputs)
    assert at.classes.stop - at.classes.start == len(read_labels(read))
    assert at.box.stop - at.box.start == (64 if read.network in YOLO else 4)
    extra = {"segment": 32, "pose": 51, "obb": 1}.get(read.task, 0)
    assert at.extra.stop - at.extra.start == extra
    assert (at.object.stop > at.object.start) == (read.network not in YOLO | YOLO26)


@pytest.mark.parametrize("name", DENSE)
def test_a_dense_heads_places_cover_the_input(name):
    read = load_model(name)
    assert isinstance(read.head, DenseHead)
    outputs = outputs_of(read)
    maps = outputs[:-1] if read.task == "segment" else outputs
    table = read_places(read.head, maps, read.input[1:])
    rows, columns = read.input[1:]
    expected = sum((rows // stride) * (columns // stride) for stride in read.head.strides)
    assert len(table.values) == expected


@pytest.mark.parametrize("name", ["rtmpose_t", "rtmpose_s"])
def test_bins_are_so_many_a_pixel(name):
    read = load_model(name)
    assert isinstance(read.head, Simcc)
    keypoints = label_list_path(read.keypoints).read_text().splitlines()
    x, y = outputs_of(read)
    assert x.shape == (len(keypoints), read.input[2] * read.head.split)
    assert y.shape == (len(keypoints), read.input[1] * read.head.split)
