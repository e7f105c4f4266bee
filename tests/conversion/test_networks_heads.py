"""What a row's network puts out is what the row's head, labels and keypoints say it is."""

import numpy as np
import pytest
import torch

from piyard import model, networks
from piyard.heads.layout import layout
from piyard.heads.places import places
from piyard.model.head import DenseHead, Simcc

ROWS = [name for name in model.names() if model.load(name).network in networks.NAMES]
DENSE = [
    name for name in ROWS if model.load(name).head and "rtmpose" not in model.load(name).network
]


def outputs_of(read):
    """Arrays as the network puts them out, their values unset."""
    network = networks.build(read.network, len(model.labels(read))).to("meta")
    with torch.no_grad():
        maps = network(torch.zeros(1, *read.input, device="meta"))
    return [np.zeros(one.shape[1:], np.float32) for one in maps]


@pytest.mark.parametrize("name", DENSE)
def test_a_dense_heads_channels_are_all_accounted_for(name):
    read = model.load(name)
    assert isinstance(read.head, DenseHead)
    outputs = outputs_of(read)
    at = layout(read.head, read.task, outputs)
    assert at.classes.stop - at.classes.start == len(model.labels(read))
    assert at.box.stop - at.box.start == (64 if "yolov8" in name else 4)
    extra = {"segment": 32, "pose": 51}.get(read.task, 0)
    assert at.extra.stop - at.extra.start == extra
    assert (at.object.stop > at.object.start) == (read.network not in networks.YOLO)


@pytest.mark.parametrize("name", DENSE)
def test_a_dense_heads_places_cover_the_input(name):
    read = model.load(name)
    assert isinstance(read.head, DenseHead)
    outputs = outputs_of(read)
    maps = outputs[:-1] if read.task == "segment" else outputs
    table = places(maps, read.head.strides, read.input[1:])
    rows, columns = read.input[1:]
    wanted = sum((rows // one) * (columns // one) for one in read.head.strides)
    assert len(table.values) == wanted


@pytest.mark.parametrize("name", ["rtmpose_t", "rtmpose_s"])
def test_bins_are_so_many_a_pixel(name):
    read = model.load(name)
    assert isinstance(read.head, Simcc)
    keypoints = model.listing(read.keypoints).read_text().splitlines()
    x, y = outputs_of(read)
    assert x.shape == (len(keypoints), read.input[2] * read.head.split)
    assert y.shape == (len(keypoints), read.input[1] * read.head.split)
