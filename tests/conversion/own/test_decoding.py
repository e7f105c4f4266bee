"""What a file decodes by itself settles its head, whatever its notes say or leave out."""

import sys

import onnx
import pytest
import torch
import yaml
from torch import nn

from piyard.convert.own import network_source
from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import CHECKPOINT, OwnModelOptions
from piyard.convert.own.exporting import ExportedNetwork
from piyard.convert.own.file_metadata import read_metadata

SIZE, STRIDES, CLASSES, POINTS = 64, (8, 16, 32), 2, 3
pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Posing(nn.Module):
    """As YOLO26's poses end, on one of both grids: all places, or rows of the best ones."""

    def __init__(self, *, centred, rows):
        super().__init__()
        torch.manual_seed(8)
        self.parts = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(3, count, stride, stride) for stride in STRIDES)
            for count in (4, CLASSES, 3 * POINTS)
        )
        self.centred, self.rows = centred, rows

    def forward(self, x):
        box, classes, points = (self.joined(part, x) for part in self.parts)
        middle, step = self.grid()
        scores = classes.sigmoid()
        corners = torch.cat([middle - box[:, :2], middle + box[:, 2:]], 1) * step
        points = points.view(-1, POINTS, 3)
        at = points[..., :2] * (1 if self.centred else 2)
        at = at + (middle if self.centred else middle - 0.5)[:, None]
        result = torch.cat([at * step[:, None], points[..., 2:].sigmoid()], 2).flatten(1)
        if not self.rows:
            size = corners[:, 2:] - corners[:, :2]
            boxes = torch.cat([corners[:, :2] + size / 2, size], 1)
            return torch.cat([boxes, scores, result], 1).T[None]
        best, label = scores.max(1)
        best, place = best.topk(7)
        label = label[place].float()[:, None]
        return torch.cat([corners[place], best[:, None], label, result[place]], 1)[None]

    @staticmethod
    def joined(layers, x):
        return torch.cat([layer(x).flatten(2) for layer in layers], 2)[0].T

    def grid(self):
        middles, steps = [], []
        for stride in STRIDES:
            side = torch.arange(SIZE // stride)
            row, column = torch.meshgrid(side, side, indexing="ij")
            middles.append(torch.stack([column, row], 2).reshape(-1, 2) + 0.5)
            steps.append(torch.full(((SIZE // stride) ** 2, 1), float(stride)))
        return torch.cat(middles), torch.cat(steps)


def exported(network, folder):
    file = folder / "best.onnx"
    torch.onnx.export(network.eval(), (torch.zeros(1, 3, SIZE, SIZE),), str(file), dynamo=False)
    graph = onnx.load(str(file))
    notes = {"author": "Ultralytics", "task": "pose", "names": "{0: 'cat', 1: 'dog'}"}
    onnx.helper.set_model_props(graph, notes | {"kpt_shape": "[3, 3]"})
    onnx.save(graph, str(file))
    return file


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("rows", [True, False])
def test_grid_and_suppression_are_what_the_file_computes(tmp_path, models, centred, rows):
    file = exported(Posing(centred=centred, rows=rows), tmp_path)
    planned = plan_addition(OwnModelOptions(file=file, name="mine"))
    head = yaml.safe_load(planned.written[models / "mine.yaml"])["head"]
    assert head.get("kpt_grid", "doubled") == ("centred" if centred else "doubled")
    assert head.get("end_to_end", False) == rows
    assert head["bins"] == 1
    assert not any("WARNING" in line for line in planned.findings)


class PoseModel(nn.Module):
    """Pickled as a class of Ultralytics, of a network that was never trained."""

    __module__ = "ultralytics.nn.tasks"

    def __init__(self):
        super().__init__()
        self.names = {0: "cat", 1: "dog"}
        self.layer = nn.Linear(2, 2)


@pytest.fixture
def untrained(tmp_path, monkeypatch):
    """A checkpoint whose trainer's arguments say nothing."""
    for name in ("ultralytics", "ultralytics.nn", "ultralytics.nn.tasks"):
        monkeypatch.setitem(sys.modules, name, type(sys)(name))
    monkeypatch.setattr(sys.modules[PoseModel.__module__], "PoseModel", PoseModel, raising=False)

    def save(**attributes):
        module = PoseModel()
        vars(module).update(attributes)
        torch.save({"model": module, "train_args": {}}, tmp_path / "best.pt")
        return tmp_path / "best.pt"

    return save


def test_keypoints_that_only_the_exported_graph_states(tmp_path, models, untrained, monkeypatch):
    network = exported(Posing(centred=True, rows=True), tmp_path)
    graph = ExportedNetwork(file=network, source="best.pt, exported")
    monkeypatch.setattr(network_source, "export_checkpoint", lambda *_: graph)
    planned = plan_addition(OwnModelOptions(file=untrained(), name="mine"))
    described = yaml.safe_load(planned.written[models / "mine.yaml"])
    assert described["task"] == "pose"
    assert described["keypoints"] == "mine-keypoints"
    assert len(planned.written[models / "labels" / "mine-keypoints.txt"].splitlines()) == POINTS


def test_the_class_of_a_module_states_its_task(untrained):
    stated = read_metadata(untrained(yaml={"kpt_shape": [5, 2]}), CHECKPOINT)
    assert (stated.task, stated.head_keys) == ("pose", {"kpt_shape": [5, 2]})
