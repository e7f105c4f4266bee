"""Checkpoints that Ultralytics' package exports: in a process of its own, shut in, no more.

A package of that name stands in for it, which exports a detector with an end-to-end head.
"""

import shutil
import sys
from importlib import util

import pytest
import torch
import yaml
from torch import nn

from piyard.convert.model_files import choose_files
from piyard.convert.own import exporting
from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import OwnModelOptions
from piyard.convert.own.exporting import export_checkpoint
from piyard.convert.reference_models import reference_networks
from piyard.core.errors import ConversionFailed, NotSetUp
from piyard.core.sandbox.launch import kernel_problem
from piyard.models.definition import load_model

STAND_IN = """
import socket
import torch
from torch import nn as layers
from pathlib import Path

__version__ = "8.9.9"
OUTSIDE = Path("{outside}")


class Net(layers.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.box, self.cls = (
            layers.ModuleList(layers.Conv2d(3, n, s, s) for s in (8, 16, 32)) for n in (4, 2)
        )
        self.model = [self]
        self.one2one_cv2 = self.box

    def forward(self, x):
        sides, points, steps, scores = [], [], [], []
        for stride, box, cls in zip((8, 16, 32), self.box, self.cls):
            y = box(x)
            rows, columns = y.shape[2:]
            row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            points.append(torch.stack([column, row], -1).reshape(-1, 2) + 0.5)
            steps.append(torch.full((rows * columns, 1), float(stride)))
            sides.append(y.flatten(2))
            scores.append(cls(x).flatten(2))
        points, steps = torch.cat(points), torch.cat(steps)
        sides = torch.cat(sides, 2)[0].T
        boxes = torch.cat([points - sides[:, :2], points + sides[:, 2:]], 1) * steps
        best, label = torch.cat(scores, 2)[0].T.sigmoid().max(1)
        best, place = best.topk(5)
        return torch.cat([boxes[place], best[:, None], label[place][:, None].float()], 1)[None]


class YOLO:
    def __init__(self, file):
        assert torch.load(file, weights_only=False)
        self.model, self.overrides = Net(), {{"imgsz": 64}}

    def export(self, *, format, imgsz, simplify, device, nms):
        import onnx

        for attempt in (lambda: OUTSIDE.read_text(), lambda: socket.socket()):
            try:
                attempt()
            except OSError:
                continue
            raise SystemExit("it got out")
        assert (format, simplify, device, nms) == ("onnx", False, "cpu", False)
        sides = imgsz if isinstance(imgsz, list) else [imgsz] * 2
        example = torch.zeros(1, 3, *sides)
        torch.onnx.export(self.model, (example,), "model.onnx", dynamo=False, opset_version=13)
        graph = onnx.load("model.onnx")
        notes = {{
            "author": "Ultralytics", "task": "detect", "names": "{{0: 'cat', 1: 'dog'}}",
            "end2end": "True", "imgsz": str(sides), "date": "today",
        }}
        onnx.helper.set_model_props(graph, notes)
        onnx.save(graph, "model.onnx")
"""


class DetectionModel(nn.Module):
    """Of a network that piyard does not build; pickled as a class of Ultralytics."""

    __module__ = "ultralytics.nn.tasks"

    def __init__(self):
        super().__init__()
        self.names = {0: "cat", 1: "dog"}
        self.layer = nn.Linear(2, 2)


@pytest.fixture
def package(tmp_path, monkeypatch):
    if problem := kernel_problem():
        pytest.skip(f"no sandbox by the kernel: {problem}")
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "packages" / "ultralytics"
    (folder / "nn").mkdir(parents=True)
    (folder / "__init__.py").write_text(STAND_IN.format(outside=tmp_path / "secret"))
    (folder / "nn" / "__init__.py").write_text("")
    (folder / "nn" / "tasks.py").write_text(
        "from torch import nn\nclass DetectionModel(nn.Module):\n    pass\n"
    )
    monkeypatch.setattr(exporting, "_find_package", lambda _: tmp_path / "packages")
    return folder


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    module = type(sys)("ultralytics.nn.tasks")
    monkeypatch.setattr(module, "DetectionModel", DetectionModel, raising=False)
    for name in ("ultralytics", "ultralytics.nn"):
        monkeypatch.setitem(sys.modules, name, type(sys)(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    content = {"model": DetectionModel(), "train_args": {"task": "detect", "imgsz": 64}}
    torch.save(content, tmp_path / "best.pt")
    return tmp_path / "best.pt"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_exported_is_the_network_and_the_checkpoint_its_weights(
    package, checkpoint, models
):
    planned = plan_addition(OwnModelOptions(file=checkpoint, name="mine"))
    assert "best.pt, exported by ultralytics 8.9.9, AGPL-3.0" in planned.findings
    described = yaml.safe_load(planned.written[models / "mine.yaml"])
    assert described["weights"][0]["source"] == "best.pt"
    assert described["head"] == {"kind": "yolov8", "end_to_end": True, "bins": 1}
    for path, text in planned.written.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    for target, source in planned.copied.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    files = choose_files(load_model("mine"))
    assert files.main.file is not None
    assert files.main.file.source == "best.pt"
    network = reference_networks(load_model("mine"), files)["model"]
    assert network.kind == "onnxruntime"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_same_checkpoint_makes_the_same_file_of_the_size_that_is_stated(package, checkpoint):
    first, second = (export_checkpoint(checkpoint, (32, 96)).file for _ in range(2))
    assert first == second
    assert b"today" not in first.read_bytes()


def test_a_package_that_fails_is_told_in_its_own_words(package, checkpoint):
    (package / "__init__.py").write_text("raise RuntimeError('not today')")
    with pytest.raises(ConversionFailed, match=r"cannot export best\.pt") as caught:
        export_checkpoint(checkpoint)
    assert "not today" in caught.value.evidence


def test_without_the_package_it_is_said_where_to_get_it(checkpoint, monkeypatch):
    monkeypatch.setattr(util, "find_spec", lambda _: None)
    with pytest.raises(NotSetUp) as caught:
        plan_addition(OwnModelOptions(file=checkpoint, name="mine"))
    assert "piyard[ultralytics]" in caught.value.remedy
    assert "yolo export model=best.pt format=onnx" in caught.value.remedy
