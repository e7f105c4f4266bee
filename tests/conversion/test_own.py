"""A network file of one's own becomes a model that is proved, and everything that can be wrong."""

import shutil
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from piyard import digest, download, infer, model
from piyard.commands.models import add_model
from piyard.conversion import convert, converted, lowering, masks, own
from piyard.errors import ConversionFailed, WrongInput
from piyard.proof import spare

CLASSES = 5
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """models/ of this test's own, with the lists of names that ship."""
    shutil.copytree(model.FOLDER / "labels", tmp_path / "models" / "labels")
    monkeypatch.setattr(model, "FOLDER", tmp_path / "models")
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "models"


def network():
    torch.manual_seed(12)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)
    ).eval()


@pytest.fixture
def names(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("".join(f"thing {i}\n" for i in range(CLASSES)))
    return file


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "net.pt"
    torch.jit.trace(network(), torch.zeros(1, 3, 32, 32)).save(str(file))
    return file


def asked(file, names, **more):
    told = {"name": "mine", "task": "classify", "size": "3,32,32", "labels": str(names)}
    return own.Asked(file=file, **(told | more))


def add(one, *, dry_run=False):
    add_model(one, force=False, form="plain", dry_run=dry_run)


def test_an_interrupted_addition_leaves_nothing_and_can_be_repeated(
    script, names, models, monkeypatch
):
    before = sorted(models.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(convert, "convert", interrupted)
        with pytest.raises(KeyboardInterrupt):
            add(asked(script, names))
    assert sorted(models.rglob("*")) == before
    add(asked(script, names))
    assert model.load("mine").network == "torchscript"


def interrupted(*_args, **_named):
    raise KeyboardInterrupt


# -- TorchScript -------------------------------------------------------------------------------


def test_a_torchscript_file_is_a_model_afterwards(script, names, models, capsys):
    add(asked(script, names))
    read = model.load("mine")
    assert (read.network, read.input, read.labels) == ("torchscript", (3, 32, 32), "mine-labels")
    assert model.labels(read) == names.read_text().split("\n")[:-1]
    made = convert.convert("mine")
    assert not made.made
    assert made.has_real_weights
    assert made.manifest["weights"]["sha256"] == digest.of_file(script)
    told = capsys.readouterr()
    assert "program" in told.err
    assert "1.00000000" in told.out


def test_the_file_is_kept_where_downloads_are(script, names):
    add(asked(script, names))
    sha256 = digest.of_file(script)
    script.unlink()
    assert download.find(sha256)
    shutil.rmtree(convert.convert("mine").folder)
    assert convert.convert("mine").made, "it is converted again from what was kept"


def test_a_dry_run_says_all_and_does_nothing(script, names, models, capsys):
    before = sorted(models.rglob("*"))
    add(asked(script, names), dry_run=True)
    assert sorted(models.rglob("*")) == before
    assert not download.folder().exists()
    told = capsys.readouterr().err
    for path in ("mine.yaml", "mine-labels.txt", str(script), str(download.folder())):
        assert path in told


def test_the_yaml_is_what_the_flags_said(script, names, models):
    flags = own.differing(fit="stretch", order="bgr", mean="1,2,3", norm="0.5,1,2")
    own.add(own.plan(asked(script, names, preprocess=flags, task="classify", size="1x3x32x32")))
    told = yaml.safe_load((models / "mine.yaml").read_text())["preprocess"]
    assert told == {
        "fit": "stretch",
        "order": "bgr",
        "mean": [1.0, 2.0, 3.0],
        "norm": [0.5, 1.0, 2.0],
    }


def test_by_its_kept_ir(script, names):
    add(asked(script, names))
    again = convert.convert("mine", route="pnnx")
    assert again.manifest["route"] == "pnnx"
    assert again.key != convert.convert("mine").key


# -- ONNX --------------------------------------------------------------------------------------


@pytest.fixture
def detector(tmp_path):
    """Two levels of a YOLOX head with two classes; a sigmoid comes after, as in real ones."""
    rng = np.random.default_rng(1)
    nodes, weights = [], []
    for level, stride in ((0, 8), (1, 16)):
        shape = (7, 3, stride, stride)
        values = (rng.standard_normal(shape) / stride).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{level}"))
        sides: dict[str, Any] = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        nodes.append(helper.make_node("Conv", ["x", f"w{level}"], [f"raw{level}"], **sides))
        nodes.append(helper.make_node("Sigmoid", [f"raw{level}"], [f"y{level}"]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, list("abcd")) for i in (0, 1)],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(made, tmp_path / "det.onnx")
    return tmp_path / "det.onnx"


@pytest.fixture
def two(tmp_path):
    (tmp_path / "two.txt").write_text("cat\ndog\n")
    return tmp_path / "two.txt"


def as_detector(file, labels, **more):
    told = {"task": "detect", "head": "yolox", "size": "3,64,64", "cut": ["raw0", "raw1"]}
    return asked(file, labels, **(told | more))


def test_a_detector_by_onnx(detector, two, capsys):
    add(as_detector(detector, two, strides=[8, 16]))
    made = convert.convert("mine")
    assert made.outputs == ["out0", "out1"]
    assert made.manifest["original"] == "onnxruntime"
    assert made.manifest["reference"]["outputs"] == {"out0": [7, 8, 8], "out1": [7, 4, 4]}


def test_where_to_cut_need_not_be_told(detector, two, capsys):
    add(as_detector(detector, two, strides=[8, 16], cut=[]))
    assert model.load("mine").cut == ("raw0", "raw1")
    assert "cut where decoding begins, at: raw0, raw1" in capsys.readouterr().err
    assert convert.convert("mine").manifest["reference"]["outputs"]["out1"] == [7, 4, 4]


def test_what_is_fed_levels_is_proved_on_levels(detector, two, script, names, models):
    def noise(one):
        return yaml.safe_load(own.plan(one).written[models / "mine.yaml"]).get("noise")

    assert noise(as_detector(detector, two, strides=[8, 16])) == [0, 255]
    assert noise(asked(script, names)) is None


def test_a_person_sees_the_worst_output_a_program_all(detector, two, capsys):
    one = as_detector(detector, two, strides=[8, 16])
    add(one)
    shown = capsys.readouterr().out
    made = convert.convert("mine")
    worst = converted.worst(made)
    assert [row[:3] for row in worst] == [
        ["mine", way, kind] for way in ("fp16", "fp32") for kind in ("drawn", "noise", "strided")
    ]
    every = converted.rows(made)
    assert len(every) == 2 * len(worst)
    for row in worst:
        same = [float(other[5]) for other in every if other[:3] == row[:3]]
        assert float(row[5]) == min(same)
        assert row[3].endswith(", the least of 2")
    assert shown.count("the least of 2") == len(worst)


def test_labels_that_are_too_many(detector, names, models):
    with pytest.raises(WrongInput, match="tells 2 classes, 'mine-labels' names 5"):
        add(as_detector(detector, names, strides=[8, 16]))
    assert not (models / "mine.yaml").exists()


def test_outputs_that_are_not_the_heads(detector, two, models):
    with pytest.raises(WrongInput):
        add(as_detector(detector, two, strides=[8, 16], head="yolov8"))
    assert not (models / "mine.yaml").exists()


def test_a_tensor_to_cut_at_that_is_not_there(detector, two):
    with pytest.raises(ConversionFailed, match="no tensor 'raw2', did you mean 'raw"):
        add(as_detector(detector, two, strides=[8, 16], cut=["raw0", "raw2"]))


# -- ready pairs -------------------------------------------------------------------------------


@pytest.fixture
def pair(script, names, tmp_path):
    add(asked(script, names, name="first"))
    folder = convert.convert("first").folder
    for ending in ("param", "bin"):
        shutil.copyfile(folder / f"model.ncnn.{ending}", tmp_path / f"ready.{ending}")
    return tmp_path / "ready.param"


def test_a_ready_pair(pair, names, capsys):
    add(asked(pair, names))
    made = convert.convert("mine")
    assert (made.folder / lowering.PARAM).read_text() == pair.read_text()
    assert set(made.manifest["proof"]) == {"fp16"}
    assert any("no original" in note for note in converted.notes(made))


def test_a_pair_without_its_bin(pair, names):
    pair.with_suffix(".bin").unlink()
    with pytest.raises(WrongInput, match=r"ready\.bin is missing"):
        own.plan(asked(pair, names))


@pytest.mark.parametrize(
    "change", [lambda b: b[: len(b) // 2], lambda b: b + b"more", lambda _: b""]
)
def test_a_bin_that_belongs_to_another_param(pair, names, models, change):
    weights = pair.with_suffix(".bin")
    weights.write_bytes(change(weights.read_bytes()))
    with pytest.raises(ConversionFailed, match=r"cannot load|does not fit"):
        add(asked(pair, names))
    assert not (models / "mine.yaml").exists()


def test_a_pair_with_nan_in_its_weights(pair, names):
    weights = pair.with_suffix(".bin")
    values = np.fromfile(weights, np.float32)
    values[20:40] = np.nan
    values.tofile(weights)
    with pytest.raises(ConversionFailed, match="not finite"):
        add(asked(pair, names))


# -- what cannot be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"size": "32,32"}, "--input"),
        ({"size": "3,a,32"}, "--input"),
        ({"size": "8,3,32,32"}, "batch of 8"),
        ({"size": "1,32,32"}, "input"),
        ({"task": "detct"}, "detct"),
        ({"task": "detect"}, "head"),
        ({"head": "yolo8"}, "did you mean 'yolov8'"),
        ({"name": "../x"}, "name of a model"),
        ({"name": ""}, "name of a model"),
        ({"labels": "nothing.txt"}, "no file nothing.txt"),
        ({"labels": ""}, "labels"),
        ({"preprocess": {"order": "gbr"}}, "order"),
    ],
)
def test_a_flag_that_makes_no_sense(script, names, models, more, told):
    with pytest.raises(WrongInput) as caught:
        own.plan(asked(script, names, **more))
    assert told in str(caught.value)
    assert not list(models.glob("*.yaml"))


def test_a_file_that_is_no_network(tmp_path, names):
    torch.save(network().state_dict(), tmp_path / "net.pth")
    with pytest.raises(WrongInput, match=r"net\.pth fits no network") as caught:
        own.plan(asked(tmp_path / "net.pth", names))
    assert "trace" in caught.value.remedy


def test_no_file_at_all(tmp_path, names):
    with pytest.raises(WrongInput, match="is no file"):
        own.plan(asked(tmp_path / "net.onnx", names))


def test_a_name_that_is_taken(script, names):
    add(asked(script, names))
    with pytest.raises(WrongInput, match="already") as caught:
        own.plan(asked(script, names))
    assert "--name" in caught.value.remedy


def test_labels_without_a_name_in_them(script, tmp_path):
    (tmp_path / "empty.txt").write_text("\n  \n")
    with pytest.raises(WrongInput, match="holds no names"):
        own.plan(asked(script, tmp_path / "empty.txt"))


def test_a_mean_that_is_no_number():
    with pytest.raises(WrongInput, match="--mean 1,two,3"):
        own.differing(fit="", order="", mean="1,two,3", norm="")


# -- halves ------------------------------------------------------------------------------------


class Overflowing(nn.Module):
    """Its product leaves the range of halves for a moment."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(12))
        self.first = nn.Conv2d(3, 4, 3)
        self.out = nn.Linear(4, CLASSES)

    def forward(self, x):
        x = torch.relu(self.first(x)) + 1
        for layer in self.layers:
            x = torch.relu(layer(x)) + 0.5
        large = x * 400
        return self.out(torch.sqrt(large * large).mean(dim=(2, 3)) * 0.01)


@pytest.fixture
def overflowing(tmp_path):
    torch.manual_seed(13)
    file = tmp_path / "over.pt"
    torch.jit.trace(Overflowing().eval(), torch.zeros(1, 3, 32, 32)).save(str(file))
    return file


def test_layers_that_need_fp32_get_it_and_that_is_noted(overflowing, names, capsys):
    add(asked(overflowing, names))
    made = convert.convert("mine")
    spared = made.manifest["no_fp16_storage"]
    assert spared
    layers = infer.layers(made.folder)
    told = {layer.name: layer.number(masks.KEY) for layer in layers if layer.number(masks.KEY)}
    assert made.manifest["no_fp16_arithmetic"] == []
    assert told == dict.fromkeys(spared, masks.FP32)
    assert len(spared) < len(layers) / 4
    said = capsys.readouterr().err
    assert "stays in fp32" in said
    assert spared[0] in said


def test_a_net_that_cannot_be_helped_says_where_it_begins(overflowing, names, monkeypatch, capsys):
    """It is kept all the same: fp32 is right."""
    monkeypatch.setattr(spare, "MOST", 0.0)
    add(asked(overflowing, names))
    assert "FAILED its proof: fp16" in capsys.readouterr().err
    made = convert.convert("mine", force=True)
    assert made.require_proved(["fp32"]) is made
    with pytest.raises(ConversionFailed) as caught:
        made.require_proved(["fp16"])
    (first,) = [line for line in caught.value.evidence.splitlines() if "first diverging" in line]
    assert "BinaryOp" in first
    assert "not finite" in caught.value.evidence
