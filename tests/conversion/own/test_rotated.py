"""Exports with rotated boxes: angles are cut last, and what they hold is what the file computes."""

from math import pi

import onnx
import pytest
import torch
import yaml
from torch import nn

from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import OwnModelOptions

SIZE, STRIDES, CLASSES = 64, (8, 16, 32), 2
EXAMPLE = torch.zeros(1, 3, SIZE, SIZE)
pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Turning(nn.Module):
    """As Ultralytics' rotated boxes end: all places, or rows of the best ones."""

    def __init__(self, *, radians, bins, rows):
        super().__init__()
        torch.manual_seed(8)
        self.sides, self.classes, self.angles = (
            nn.ModuleList(nn.Conv2d(3, count, stride, stride) for stride in STRIDES)
            for count in (4 * bins, CLASSES, 1)
        )
        self.weigh = nn.Conv2d(bins, 1, 1, bias=False)
        self.weigh.weight.data[:] = torch.arange(bins).view(1, bins, 1, 1)
        self.radians, self.bins, self.rows = radians, bins, rows

    def forward(self, x):
        sides, classes, angle = (
            torch.cat([layer(x).flatten(2) for layer in layers], 2)
            for layers in (self.sides, self.classes, self.angles)
        )
        angle = angle if self.radians else (angle.sigmoid() - 0.25) * pi
        if self.bins > 1:
            weights = sides.view(1, 4, self.bins, -1).transpose(2, 1).softmax(1)
            sides = self.weigh(weights).view(1, 4, -1)
        boxes = self.boxes(sides, angle)
        scores = classes.sigmoid()
        if not self.rows:
            return torch.cat([boxes, scores, angle], 1)
        best, label = scores[0].max(0)
        best, place = best.topk(7)
        result = [boxes[0].T[place], best[:, None], label[place].float()[:, None]]
        return torch.cat([*result, angle[0].T[place]], 1)[None]

    def boxes(self, sides, angle):
        """x, y, width, height of the turned ones."""
        middle, step = self.grid()
        near, far = sides.split(2, 1)
        across, down = ((far - near) / 2).split(1, 1)
        cosine, sine = angle.cos(), angle.sin()
        shift = torch.cat([across * cosine - down * sine, across * sine + down * cosine], 1)
        return torch.cat([middle + shift, near + far], 1) * step

    @staticmethod
    def grid():
        middles, steps = [], []
        for stride in STRIDES:
            side = torch.arange(SIZE // stride)
            row, column = torch.meshgrid(side, side, indexing="ij")
            middles.append(torch.stack([column, row]).flatten(1) + 0.5)
            steps.append(torch.full((1, (SIZE // stride) ** 2), float(stride)))
        return torch.cat(middles, 1), torch.cat(steps, 1)


def add(network, folder, models, **notes):
    """The YAML and what the user is told of an ONNX export with these notes."""
    file = folder / "best.onnx"
    torch.onnx.export(network.eval(), (EXAMPLE,), str(file), dynamo=False)
    graph = onnx.load(str(file))
    about = {"author": "Ultralytics", "task": "obb", "names": "{0: 'ship', 1: 'plane'}"}
    onnx.helper.set_model_props(graph, about | notes)
    onnx.save(graph, str(file))
    planned = plan_addition(OwnModelOptions(file=file, name="mine"))
    return yaml.safe_load(planned.written[models / "mine.yaml"]), planned.findings


@pytest.mark.parametrize("radians", [True, False])
@pytest.mark.parametrize("bins", [1, 4])
@pytest.mark.parametrize("rows", [True, False])
def test_angles_are_what_the_file_computes(tmp_path, models, radians, bins, rows):
    described, findings = add(Turning(radians=radians, bins=bins, rows=rows), tmp_path, models)
    head = described["head"]
    assert described["task"] == "obb"
    assert head.get("angle", "sigmoid") == ("radians" if radians else "sigmoid")
    assert head["bins"] == bins
    assert head.get("end_to_end", False) == rows
    assert not any("WARNING" in line for line in findings)


def test_each_map_is_cut_at_sides_classes_and_angle(tmp_path, models):
    described, _ = add(Turning(radians=False, bins=4, rows=False), tmp_path, models)
    names = [name.split("/")[1] for name in described["cut"]]
    expected = [f"{part}.{level}" for level in range(3) for part in ("sides", "classes", "angles")]
    assert names == expected


def test_what_the_notes_say_of_angles_is_checked(tmp_path, models):
    network = Turning(radians=False, bins=4, rows=False)
    described, findings = add(network, tmp_path, models, head="OBB26")
    assert described["head"].get("angle", "sigmoid") == "sigmoid"
    assert not any("WARNING" in line for line in findings)


def test_a_program_is_cut_in_the_same_order(tmp_path, models):
    """TorchScript's, whose sines and cosines are called otherwise."""
    file = tmp_path / "best.torchscript"
    network = Turning(radians=True, bins=4, rows=False).eval()
    torch.jit.trace(network, EXAMPLE).save(str(file))
    labels = tmp_path / "names.txt"
    labels.write_text("ship\nplane\n")
    options = OwnModelOptions(
        file=file, name="mine", task="obb", head="yolov8", size="3,64,64", labels=str(labels)
    )
    planned = plan_addition(options)
    described = yaml.safe_load(planned.written[models / "mine.yaml"])
    expected = [f"{part}.{level}" for level in range(3) for part in ("sides", "classes", "angles")]
    assert described["cut"] == expected
    assert described["head"]["angle"] == "radians"
