"""Where exported detectors are cut: the maps found are those the network itself makes, in order."""

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from piyard.convert.onnx.file import read_onnx
from piyard.convert.onnx.graph import set_input_shapes, tensor_shapes
from piyard.convert.onnx.rewrite import cut_graph
from piyard.convert.own.cutting import find_head_maps
from piyard.convert.own.defaults import detect_kind
from piyard.convert.script_cutting import cut_script
from piyard.convert.torchscript import load_script
from piyard.core.errors import ConversionFailed
from piyard.models.definition import Model, load_model
from piyard.vision.head_schema import Heatmap, Nanodet, Rtmdet, Yolov8, Yolox

SIZE = 64
STRIDES = (8, 16, 32)
BINS = 16
CLASSES = 5
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def find_cut(file, model):
    return find_head_maps(file, model).cut


def head(*channels):
    """Convolutions with one output each, a list a map."""
    return nn.ModuleList(
        nn.ModuleList(nn.Conv2d(3, count, stride, stride) for count in channels)
        for stride in STRIDES
    )


class Ultralytics(nn.Module):
    """As its exports end; with ``extra`` channels a place, and with prototypes."""

    def __init__(self, *, classes=CLASSES, extra=0, protos=0, apart=False):
        super().__init__()
        torch.manual_seed(5)
        self.head = head(4 * BINS, classes, *([extra] if extra else []))
        self.weigh = nn.Conv2d(BINS, 1, 1, bias=False)
        self.protos = nn.Sequential(nn.Conv2d(3, protos, 4, 4), nn.ReLU()) if protos else None
        self.apart, self.extra, self.classes = apart, extra, classes

    def raw(self, x):
        return [[layer(x) for layer in level] for level in self.head]

    def forward(self, x):
        raw = self.raw(x)
        box, scores = self.split(raw)
        sides = box.view(1, 4, BINS, -1).transpose(2, 1).softmax(1)
        result = [self.weigh(sides).view(1, 4, -1), scores.sigmoid()]
        if self.extra:
            result.append(torch.cat([each[2].flatten(2) for each in raw], 2))
        outputs = torch.cat(result, 1)
        return (outputs, self.protos(x)) if self.protos else outputs

    def split(self, raw):
        """Joined a level first, or boxes and scores each for themselves as of 8.4."""
        if self.apart:
            return [torch.cat([each[i].flatten(2) for each in raw], 2) for i in (0, 1)]
        joined = torch.cat([torch.cat(each[:2], 1).flatten(2) for each in raw], 2)
        return joined.split((4 * BINS, self.classes), 1)


class Megvii(nn.Module):
    """As YOLOX's exports end."""

    def __init__(self, classes=CLASSES):
        super().__init__()
        torch.manual_seed(6)
        self.head = head(classes, 4, 1)

    def raw(self, x):
        result = [[layer(x) for layer in level] for level in self.head]
        return [[box, thing, classes] for classes, box, thing in result]

    def forward(self, x):
        each = [torch.cat([b, o.sigmoid(), c.sigmoid()], 1) for b, o, c in self.raw(x)]
        return torch.cat([item.flatten(2) for item in each], 2).permute(0, 2, 1)


class Nano(nn.Module):
    """As NanoDet's exports end: a convolution a level, split, classes before all sides."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.head = head(CLASSES + 32)

    def raw(self, x):
        return [[layer(x) for layer in level] for level in self.head]

    def forward(self, x):
        halves = [each.split((CLASSES, 32), 1) for (each,) in self.raw(x)]
        classes = [c.sigmoid().flatten(2).permute(0, 2, 1) for c, _ in halves]
        return *classes, *(sides.flatten(2).permute(0, 2, 1) for _, sides in halves)


class OpenMMLab(nn.Module):
    """As RTMDet's exports end; with ``boxes_first`` as those for deployment put boxes together."""

    def __init__(self, classes=CLASSES, scale=True, boxes_first=False):
        super().__init__()
        torch.manual_seed(9)
        self.head = head(classes, 4)
        self.scale, self.boxes_first = scale, boxes_first

    def raw(self, x):
        result = [[layer(x) for layer in level] for level in self.head]
        return [
            [classes, sides.relu() * stride if self.scale else sides]
            for (classes, sides), stride in zip(result, STRIDES, strict=True)
        ]

    def forward(self, x):
        raw = self.raw(x)
        scores, sides = (torch.cat([each[i].flatten(2) for each in raw], 2) for i in (0, 1))
        if self.boxes_first:
            return sides + 1, scores.sigmoid()
        return tuple(torch.cat([c.sigmoid(), s], 1).permute(0, 2, 3, 1) for c, s in raw)


class Raw(Ultralytics):
    """A net that ends with its maps."""

    def forward(self, x):
        return tuple(each for level in self.raw(x) for each in level)


def described(layout, task="detect", /, **more):
    result = {"kind": layout, "strides": list(STRIDES)}
    keypoints = {"keypoints": "coco_keypoints"} if task == "pose" else {}
    return msgspec.convert(
        {
            "name": "mine",
            "title": "mine",
            "task": task,
            "network": "onnx",
            "weights": [
                {"source": "a", "licence": "b", "dataset": "c", "sha256": "0" * 64},
            ],
            "input": [3, SIZE, SIZE],
            "preprocess": {"fit": "stretch", "order": "rgb", "mean": [0] * 3, "norm": [1] * 3},
            "labels": "coco80",
            "head": result,
        }
        | keypoints
        | more,
        Model,
    )


EXAMPLE = torch.zeros(1, 3, SIZE, SIZE)


def graph(network, file, **more):
    torch.onnx.export(network, (EXAMPLE,), str(file), dynamo=False, **more)


def program(network, file):
    torch.jit.trace(network, EXAMPLE).save(str(file))


def frozen_program(network, file):
    """Its weights have no names any more."""
    torch.jit.freeze(torch.jit.trace(network, EXAMPLE)).save(str(file))


@pytest.fixture(params=[graph, program, frozen_program])
def exported(request, tmp_path):
    """A network's file, and its model for that head."""

    def export(network, *about, **more):
        file = tmp_path / ("net.onnx" if request.param is graph else "net.torchscript")
        request.param(network.eval(), file)
        return file, described(*about, network=detect_kind(file), **more)

    return export


def values(file, names):
    """What the file computes there for a picture."""
    if file.suffix == ".torchscript":
        loaded = cut_script(load_script(file), names)(picture())
        return [each.detach().numpy() for each in loaded]
    part = cut_graph(read_onnx(file), names)
    session = onnxruntime.InferenceSession(part.SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: picture().numpy()})


def picture():
    return torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(8))


def require_maps(network, file, maps, more=()):
    with torch.no_grad():
        expected = [item for level in network.raw(picture()) for item in level] + list(more)
    got = values(file, maps)
    assert [item.shape for item in got] == [tuple(item.shape) for item in expected]
    for each, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(each, other.numpy(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("classes", [1, 4, CLASSES, 4 * BINS])
def test_yolov8(exported, apart, classes):
    """By how they are joined: as many classes as distances are no reason to mix them up."""
    network = Ultralytics(classes=classes, apart=apart)
    file, result = exported(network, "yolov8")
    require_maps(network, file, find_cut(file, result))


@pytest.mark.parametrize("apart", [False, True])
def test_keypoints(exported, apart):
    network = Ultralytics(classes=1, extra=51, apart=apart)
    file, result = exported(network, "yolov8", "pose")
    require_maps(network, file, find_cut(file, result))


@pytest.mark.parametrize("classes", [CLASSES, 32])
def test_masks_end_with_their_prototypes(exported, classes):
    network = Ultralytics(classes=classes, extra=32, protos=32)
    file, result = exported(network, "yolov8", "segment")
    cut = find_cut(file, result)
    with torch.no_grad():
        _, protos = network(picture())
    require_maps(network, file, cut, [protos])


@pytest.mark.parametrize("classes", [1, 4, CLASSES])
def test_yolox(exported, classes):
    network = Megvii(classes)
    file, result = exported(network, "yolox")
    require_maps(network, file, find_cut(file, result))


def test_nanodet(exported):
    network = Nano()
    file, result = exported(network, "nanodet")
    require_maps(network, file, find_cut(file, result))


@pytest.mark.parametrize("boxes_first", [False, True])
@pytest.mark.parametrize("classes", [1, 4, CLASSES])
def test_rtmdet(tmp_path, classes, boxes_first):
    """Its sides are what is scaled, wherever they are joined."""
    network, file = OpenMMLab(classes, boxes_first=boxes_first), tmp_path / "net.onnx"
    graph(network.eval(), file)
    require_maps(network, file, find_cut(file, described("rtmdet")))


def test_rtmdets_sides_that_are_not_scaled_are_not_guessed(exported):
    assert find_cut(*exported(OpenMMLab(scale=False), "rtmdet")) == []


def test_what_a_program_does_not_name_is_not_cut_at(tmp_path):
    program(OpenMMLab().eval(), tmp_path / "net.torchscript")
    result = described("rtmdet", network="torchscript")
    assert find_cut(tmp_path / "net.torchscript", result) == []


def test_a_graph_whose_tensors_have_names_like_torchs_numbers(tmp_path):
    network, file = Megvii(), tmp_path / "net.onnx"
    graph(network.eval(), file)
    result = onnx.load(file)
    for node in result.graph.node:
        for names in (node.input, node.output):
            names[:] = [f"%{name}" if "Conv" in name else name for name in names]
    onnx.save_model(result, file)
    cut = find_cut(file, described("yolox"))
    assert cut[0].startswith("%")
    require_maps(network, file, cut)


def test_a_graph_for_any_size(tmp_path):
    """Its reshapes ask convolutions for their size: that is no way to an output."""
    network, file = Ultralytics(), tmp_path / "net.onnx"
    axes = {"x": {2: "height", 3: "width"}}
    graph(network.eval(), file, input_names=["x"], dynamic_axes=axes)
    assert "Shape" in {node.op_type for node in read_onnx(file).graph.node}
    require_maps(network, file, find_cut(file, described("yolov8")))


def test_a_file_that_ends_with_its_maps_is_not_cut(exported):
    assert find_cut(*exported(Raw(), "yolov8")) == []


@pytest.mark.parametrize("strides", [(8, 16), (8, 16, 32, 64), (4, 8, 16)])
def test_maps_of_other_strides_are_not_guessed(exported, strides):
    head = {"kind": "yolov8", "strides": list(strides)}
    assert find_cut(*exported(Ultralytics(), "yolov8", head=head)) == []


def test_another_head_is_not_guessed(exported):
    file, pose = exported(Ultralytics(), "heatmap", "pose", head={"kind": "heatmap"})
    assert isinstance(pose.head, Heatmap)
    assert find_cut(file, pose) == []


def test_a_program_is_cut_at_its_modules(tmp_path):
    file = tmp_path / "net.torchscript"
    program(Ultralytics(protos=32).eval(), file)
    assert find_cut(file, described("yolov8", "segment", network="torchscript")) == [
        *(f"head.{level}.{layer}" for level in range(3) for layer in range(2)),
        "out1",
    ]


def test_a_size_that_a_program_cannot_take(tmp_path):
    file = tmp_path / "net.torchscript"
    program(Ultralytics().eval(), file)
    other = described("yolov8", network="torchscript", input=[3, 8, 8])
    with pytest.raises(ConversionFailed, match="does not run for an input 3,8,8"):
        find_cut(file, other)


def test_another_kind_of_file_is_not_asked(tmp_path):
    assert find_cut(tmp_path / "none", described("yolov8", network="yolov8n")) == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("yolo11_n_seg", "yolo/yolo11n-seg.onnx"),
        ("yolo11_n_pose", "yolo/yolo11n-pose.onnx"),
        ("yolox_nano_onnx", "yolox/yolox_nano.onnx"),
        ("nanodet", "nanodet/nanodet_m.onnx"),
        ("rtmdet_nano_person", "pose/rtmdet-nano.onnx"),
    ],
)
def test_real_files_are_cut_where_their_rows_say(assets, name, path):
    described = load_model(name)
    assert isinstance(described.head, Yolov8 | Yolox | Nanodet | Rtmdet)
    assert find_cut(assets / "weights" / path, described) == list(described.cut)


class Halved(Ultralytics):
    """Whose exporter computes where halves end, so that no size behind them can be inferred."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 1)

    def raw(self, x):
        first, second = self.stem(x).chunk(2, 1)
        return super().raw(first + second)


def test_sizes_that_cannot_be_inferred_are_those_of_a_run(exported):
    network = Halved()
    file, model = exported(network, "yolov8")
    if file.suffix == ".onnx":
        sized = set_input_shapes(read_onnx(file), [(1, 3, SIZE, SIZE)])
        assert 0 in tensor_shapes(sized)[find_cut(file, model)[0]]
    require_maps(network, file, find_cut(file, model))
