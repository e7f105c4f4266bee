"""Exports with anchors: read from what the file computes, refused where it computes otherwise."""

import onnx
import pytest
import torch
import yaml
from torch import nn

from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import OwnModelOptions
from piyard.core.errors import WrongInput
from tests.conversion.own.adding import add

SIZE, CLASSES = 64, 2
ANCHORS = (
    ((10.0, 13.0), (16.0, 30.0)),
    ((30.5, 61.25), (62.0, 45.0)),
    ((116.0, 90.0), (156.0, 198.0)),
)
pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Anchored(nn.Module):
    """As YOLOv5's exports end."""

    def __init__(self, *, squared=True):
        super().__init__()
        torch.manual_seed(4)
        count = len(ANCHORS[0]) * (5 + CLASSES)
        self.maps = nn.ModuleList(nn.Conv2d(3, count, stride, stride) for stride in (8, 16, 32))
        self.squared = squared
        self.anchors = [torch.tensor(each).view(1, -1, 1, 1, 2) for each in ANCHORS]

    def forward(self, x):
        return torch.cat([self.decoded(x, number) for number in range(3)], 1)

    def decoded(self, x, number):
        stride, side = 8 << number, SIZE >> (3 + number)
        split = self.maps[number](x).view(1, len(ANCHORS[0]), 5 + CLASSES, side, side)
        shares = split.permute(0, 1, 3, 4, 2).sigmoid()
        row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        middle = (2 * shares[..., :2] - 0.5 + torch.stack([column, row], -1)) * stride
        anchors = self.anchors[number]
        sides = (2 * shares[..., 2:4]) ** (2 if self.squared else 1) * anchors
        return torch.cat([middle, sides, shares[..., 4:]], -1).view(1, -1, 5 + CLASSES)


class Raw(Anchored):
    """As it is trained."""

    def forward(self, x):
        return tuple(layer(x) for layer in self.maps)


def exported(file, **how):
    example = torch.zeros(1, 3, SIZE, SIZE)
    torch.onnx.export(Anchored(**how).eval(), (example,), str(file), dynamo=False)
    graph = onnx.load(str(file))
    onnx.helper.set_model_props(graph, {"stride": "32", "names": "{0: 'cat', 1: 'dog'}"})
    onnx.save(graph, str(file))
    return OwnModelOptions(file=file, name="mine")


def test_anchors_are_those_of_the_file(tmp_path, models):
    add(exported(tmp_path / "best.onnx"))
    described = yaml.safe_load((models / "mine.yaml").read_text())
    assert (described["task"], described["preprocess"]["fit"]) == ("detect", "letterbox")
    assert len(described["cut"]) == 3
    result = torch.tensor(described["head"]["anchors"])
    torch.testing.assert_close(result, torch.tensor(ANCHORS), rtol=1e-5, atol=0)


def test_boxes_that_anchors_do_not_explain(tmp_path):
    with pytest.raises(WrongInput, match="anchors cannot be read: its boxes"):
        plan_addition(exported(tmp_path / "best.onnx", squared=False))


def test_a_file_that_ends_with_its_maps_has_none(tmp_path):
    file = tmp_path / "raw.onnx"
    example = torch.zeros(1, 3, SIZE, SIZE)
    torch.onnx.export(Raw().eval(), (example,), str(file), dynamo=False)
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    options = OwnModelOptions(
        file=file, name="mine", task="detect", head="yolov5", labels=str(tmp_path / "names.txt")
    )
    with pytest.raises(WrongInput, match="does not end with decoded boxes"):
        plan_addition(options)
