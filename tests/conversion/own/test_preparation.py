"""How a picture is prepared: what a file says of itself decides, what nobody says is told so."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from piyard.cli.board_requests import EvaluateRequest
from piyard.cli.trials import evaluate_model
from piyard.convert.own.adding import Addition, plan_addition
from piyard.convert.own.defaults import OwnModelOptions, preprocess_options
from piyard.convert.own.file_metadata import read_metadata
from piyard.convert.own.metadata import Metadata
from piyard.convert.own.notes import transforms_preprocess
from piyard.convert.own.stated_preparation import as_file_says
from piyard.core.errors import WrongInput
from piyard.models import definition
from piyard.models.architectures.classifiers import torchvision_models
from piyard.models.checkpoint_file import StubClass
from piyard.models.definition import load_model
from piyard.models.networks import build_network
from piyard.vision.schema import Crop
from tests.conversion.own.adding import add
from tests.conversion.own.graphs import classifier, ultralytics

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
ULTRALYTICS_LICENCE = ultralytics()["license"]
LEVELS = {"order": "rgb", "mean": [0, 0, 0], "norm": pytest.approx([1 / 255] * 3)}
IMAGENET = {
    "order": "rgb",
    "mean": pytest.approx([123.675, 116.28, 103.53]),
    "norm": pytest.approx([1 / (255 * each) for each in (0.229, 0.224, 0.225)]),
}


def ask(file: Path, **more: object) -> OwnModelOptions:
    return OwnModelOptions(**({"file": file, "name": "mine"} | more))  # type: ignore[arg-type]


def described(planned: Addition) -> dict[str, object]:
    read: dict[str, object] = yaml.safe_load(
        planned.written[definition.MODELS_FOLDER / "mine.yaml"]
    )
    return read


def preprocess_of(notes: dict[str, object]) -> dict[str, object]:
    preprocess = notes["preprocess"]
    assert isinstance(preprocess, dict)
    return preprocess


def assumed(planned: Addition) -> list[str]:
    return [line for line in planned.lines if line.startswith("assumed: ")]


def of_channels(file: Path, channels: int, notes: dict[str, str] | None = None) -> Path:
    """Two classes of a picture of so many channels, as ONNX."""
    torch.manual_seed(5)
    net = nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    export: Any = torch.onnx.export
    export(net.eval(), torch.zeros(1, channels, 32, 32), str(file), dynamo=False)
    if notes:
        graph = onnx.load(file)
        onnx.helper.set_model_props(graph, notes)
        onnx.save_model(graph, file)
    return file


def crop(resize: int, side: int) -> dict[str, object]:
    return {"fit": "crop", "resize": resize, "crop": side, "resample": "bilinear"}


# -- Ultralytics -------------------------------------------------------------------------------


def test_an_exported_classifier_is_fed_as_ultralytics_does(tmp_path):
    """The short side to the size, the middle of it, levels / 255: no mean of ImageNet's."""
    file = classifier(tmp_path / "net.onnx", ending="softmax", notes=ultralytics())
    planned = plan_addition(ask(file))
    result = described(planned)
    assert result["preprocess"] == crop(32, 32) | LEVELS
    assert (result["task"], result["input"], result["activation"]) == (
        "classify",
        [3, 32, 32],
        "none",
    )
    assert assumed(planned) == []
    assert "assumed" not in result


def test_an_export_of_any_size_says_which_it_was_trained_on(tmp_path):
    notes = ultralytics(imgsz="[64, 64]")
    file = classifier(tmp_path / "net.onnx", shape=("n", 3, "h", "w"), notes=notes)
    assert described(plan_addition(ask(file)))["input"] == [3, 64, 64]


def test_an_export_that_is_not_square_is_stretched(tmp_path):
    notes = ultralytics(imgsz="[32, 64]")
    file = classifier(tmp_path / "net.onnx", shape=(1, 3, 32, 64), notes=notes)
    addition = described(plan_addition(ask(file)))
    assert addition["preprocess"] == {"fit": "stretch", "resample": "bilinear"} | LEVELS


def test_a_program_says_the_same(tmp_path):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2), nn.Softmax(1))
    notes = ultralytics() | {"imgsz": [32, 32], "names": {"0": "dark", "1": "bright"}}
    file = tmp_path / "net.torchscript"
    traced = torch.jit.trace(network.eval(), torch.zeros(1, 3, 32, 32))
    traced.save(str(file), _extra_files={"config.txt": json.dumps(notes)})
    planned = plan_addition(ask(file))
    assert described(planned)["preprocess"] == crop(32, 32) | LEVELS
    assert described(planned)["activation"] == "none"
    assert assumed(planned) == []


def test_a_pair_says_it_in_the_file_beside_it(tmp_path):
    """Ultralytics' exporter writes metadata.yaml next to an ncnn pair."""
    names = {0: "dark", 1: "bright"}
    beside = tmp_path / "metadata.yaml"
    beside.write_text(yaml.safe_dump(ultralytics() | {"imgsz": [32, 32], "names": names}))
    metadata = read_metadata(tmp_path / "model.ncnn.param", "ncnn")
    assert (metadata.task, metadata.size, metadata.names) == (
        "classify",
        "3,32,32",
        ["dark", "bright"],
    )
    assert metadata.preprocess("classify", metadata.size) == crop(32, 32) | LEVELS
    beside.write_text(yaml.safe_dump(ultralytics() | {"task": "detect", "names": names}))
    metadata = read_metadata(tmp_path / "model.ncnn.param", "ncnn")
    assert (metadata.task, metadata.head, metadata.names) == (
        "detect",
        "yolov8",
        ["dark", "bright"],
    )


@pytest.mark.parametrize("text", ["[", "7", "a: !!python/object:os.abort", "\0", "{" * 5000])
def test_a_file_beside_a_pair_that_says_nothing(tmp_path, text):
    (tmp_path / "metadata.yaml").write_text(text)
    assert read_metadata(tmp_path / "model.ncnn.param", "ncnn") == Metadata()


def test_what_the_user_says_counts_more(tmp_path):
    file = classifier(tmp_path / "net.onnx", notes=ultralytics())
    addition = described(
        plan_addition(
            ask(
                file,
                preprocess=preprocess_options(fit="letterbox", order="bgr", mean="", norm="1,1,1"),
            )
        )
    )
    assert addition["preprocess"] == {
        "fit": "letterbox",
        "order": "bgr",
        "mean": [0, 0, 0],
        "norm": [1, 1, 1],
    }


# -- others ------------------------------------------------------------------------------------

HALF = {"mean": "[0.5, 0.5, 0.5]", "std": "[0.25, 0.25, 0.25]"}


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        (HALF, {"mean": [127.5] * 3, "norm": pytest.approx([1 / 63.75] * 3)}),
        (
            {"image_mean": "(103.5, 116, 123)", "image_std": "(57, 57, 57)"},
            {"mean": [103.5, 116, 123], "norm": pytest.approx([1 / 57] * 3)},
        ),
        ({"Image.BitmapPixelFormat": "Bgr8"}, {"order": "bgr"}),
        (
            {"Image.NominalPixelRange": "NominalRange_0_255"},
            {"mean": [0, 0, 0], "norm": [1, 1, 1]},
        ),
        ({"Image.NominalPixelRange": "Normalized_0_1"}, {"norm": LEVELS["norm"]}),
        (
            {"Image.NominalPixelRange": "Normalized_1_1"},
            {"mean": [127.5] * 3, "norm": pytest.approx([1 / 127.5] * 3)},
        ),
        ({"crop_pct": "0.95", "interpolation": "bicubic"}, {"resize": 33, "resample": "bicubic"}),
    ],
)
def test_notes_of_other_exporters(tmp_path, notes, expected):
    file = classifier(tmp_path / "net.onnx", notes=notes | {"names": "['dark', 'bright']"})
    planned = plan_addition(ask(file))
    preprocess = described(planned)["preprocess"]
    assert isinstance(preprocess, dict)
    for key, value in expected.items():
        assert preprocess[key] == value
        assert not any(line.startswith(f"assumed: {key} ") for line in assumed(planned))


@pytest.mark.parametrize(
    "notes",
    [
        {"mean": "[0.5, 0.5]", "std": "[1, 1, 1]"},
        {"mean": "[0.5, 0.5, 0.5]", "std": "[0, 1, 1]"},
        {"mean": "[0.5, 0.5, 0.5]"},
        {"mean": "__import__('os').abort()", "std": "[" * 5000},
        {"Image.BitmapPixelFormat": "Gray8", "Image.NominalPixelRange": "7"},
        {"crop_pct": "7"},
        {"crop_pct": "0.9", "interpolation": "lanczos; rm"},
        {"input_size": "(3, 0, 7)"},
        {"author": "somebody", "task": "classify"},
    ],
)
def test_notes_that_cannot_be_read_say_nothing(tmp_path, notes):
    file = classifier(tmp_path / "net.onnx", notes=notes | {"names": "['dark', 'bright']"})
    planned = plan_addition(ask(file))
    assert described(planned)["preprocess"] == crop(37, 32) | IMAGENET
    assert described(planned)["assumed"] == ["order", "mean", "norm", "fit", "activation"]


def test_what_nobody_says_is_told_as_assumed(tmp_path, two):
    """Every fact, with the flag that says otherwise; by a dry run too."""
    file = classifier(tmp_path / "net.onnx", shape=("n", 3, "h", "w"))
    planned = plan_addition(ask(file, labels=str(two)))
    lines = assumed(planned)
    for fact, flag in {
        "input 3,224,224": "--input",
        "order rgb": "--order",
        "mean 123.675,116.28,103.53": "--mean",
        "norm 0.0171248,0.017507,0.0174292": "--norm",
        "fit crop (short side to 256, the middle 224 of it)": "--fit or --resize",
        "activation softmax": "--activation",
    }.items():
        assert [line for line in lines if fact in line and flag in line], fact
    assert len(lines) == 6


def test_what_is_said_is_not_assumed(tmp_path, two):
    file = classifier(tmp_path / "net.onnx")
    told_so = preprocess_options(fit="crop", resize="40", order="bgr", mean="0,0,0", norm="1,1,1")
    planned = plan_addition(ask(file, labels=str(two), activation="sigmoid", preprocess=told_so))
    assert assumed(planned) == []
    result = described(planned)
    assert result["preprocess"] == crop(40, 32) | {
        "order": "bgr",
        "mean": [0, 0, 0],
        "norm": [1, 1, 1],
    }
    assert result["activation"] == "sigmoid"


def test_what_is_not_square_is_stretched_and_says_so(tmp_path, two):
    file = classifier(tmp_path / "wide.onnx", shape=(1, 3, 32, 320))
    planned = plan_addition(ask(file, labels=str(two)))
    result = described(planned)
    assert result["input"] == [3, 32, 320]
    assert result["preprocess"] == IMAGENET | {"fit": "stretch", "resample": "bilinear"}
    assert "assumed: fit stretch (--fit or --resize overrides it)" in assumed(planned)


def test_a_middle_that_is_not_square_is_refused(tmp_path, two):
    file = classifier(tmp_path / "wide.onnx", shape=(1, 3, 32, 320))
    with pytest.raises(WrongInput, match="32x320, which is not square") as caught:
        plan_addition(ask(file, labels=str(two), preprocess={"fit": "crop"}))
    assert "--fit stretch" in caught.value.remedy


@pytest.mark.parametrize(("channels", "order"), [(1, "gray"), (4, "rgba")])
def test_one_and_four_channels_are_taken(tmp_path, two, channels, order):
    file = of_channels(tmp_path / "net.onnx", channels)
    planned = plan_addition(ask(file, labels=str(two)))
    result = described(planned)
    assert result["input"] == [channels, 32, 32]
    levels = {"order": order, "mean": [0] * channels, "norm": pytest.approx([1 / 255] * channels)}
    assert result["preprocess"] == crop(37, 32) | levels
    assert f"assumed: order {order} (--order overrides it)" in assumed(planned)
    add(ask(file, labels=str(two)))
    assert load_model("mine").input == (channels, 32, 32)


def test_a_note_for_another_number_of_channels_does_not_count(tmp_path, two):
    """timm notes three means beside a network of one channel; equal ones are meant for each."""
    noted = {"mean": "[0.485, 0.456, 0.406]", "std": "[0.5, 0.5, 0.5]"}
    file = of_channels(tmp_path / "net.onnx", 1, noted)
    addition = described(plan_addition(ask(file, labels=str(two))))
    assert preprocess_of(addition)["mean"] == [0]
    noted = {"mean": "[0.5, 0.5, 0.5]", "std": "[0.5, 0.5, 0.5]"}
    file = of_channels(tmp_path / "net.onnx", 1, noted)
    addition = described(plan_addition(ask(file, labels=str(two))))
    assert preprocess_of(addition)["mean"] == [127.5]


def test_figures_for_another_number_of_channels_are_refused(tmp_path, two):
    file = of_channels(tmp_path / "net.onnx", 1)
    with pytest.raises(WrongInput, match="`mean` has 3 numbers and `order` gray 1 channels"):
        plan_addition(ask(file, labels=str(two), preprocess={"mean": [1.0, 2.0, 3.0]}))


# -- checkpoints -------------------------------------------------------------------------------


def inert(**attributes: object) -> StubClass:
    result = StubClass()
    result.__dict__.update(attributes)
    return result


def kept(short: int, side: int, mean: float = 0.0, deviation: float = 1.0) -> StubClass:
    """What torchvision's transforms leave when they are not run: their attributes."""
    return inert(
        transforms=[
            inert(size=short, interpolation=inert(), antialias=True),
            inert(size=(side, side)),
            inert(),
            inert(mean=torch.tensor([mean] * 3), std=torch.tensor([deviation] * 3)),
        ]
    )


def test_transforms_that_were_kept_with_the_weights():
    result = transforms_preprocess(kept(256, 224, 0.5, 0.25), 224, 224)
    assert result == crop(256, 224) | {"mean": [127.5] * 3, "norm": pytest.approx([1 / 63.75] * 3)}


@pytest.mark.parametrize("what", [None, 7, "x", inert(), inert(transforms=7), kept(20, 224)])
def test_transforms_that_say_nothing_of_the_crop(what):
    assert "crop" not in transforms_preprocess(what, 224, 224)


def test_another_size_leaves_the_crop_that_was_kept():
    assert "crop" not in transforms_preprocess(kept(256, 224), 160, 160)


# -- the original ------------------------------------------------------------------------------


def pictures(at: Path) -> Path:
    """Ten of each class, on both sides of the middle: ImageNet's mean would mix them up."""
    rng = np.random.default_rng(1)
    for name, lowest in {"dark": 95, "bright": 129}.items():
        (at / name).mkdir(parents=True)
        for number in range(5):
            levels = lowest + rng.integers(0, 8, (40, 48, 3))
            Image.fromarray(levels.astype(np.uint8)).save(at / name / f"{number}.png")
    return at


def figures(data: Path, capsys, **more: object) -> list[dict[str, str]]:
    flags = {"data": str(data), "format": "json", "model": "mine"}
    capsys.readouterr()
    evaluate_model(EvaluateRequest.parse(flags | more))
    rows: list[dict[str, str]] = json.loads(capsys.readouterr().out)
    return [row for row in rows if row["Figure"] == "top-1"]


def test_original_and_ncnn_are_right_as_the_file_says(tmp_path, capsys):
    add(ask(classifier(tmp_path / "net.onnx", ending="softmax", notes=ultralytics())))
    rows = figures(pictures(tmp_path / "data"), capsys)
    assert [float(row["Percent"]) for row in rows] == [100, 100]
    assert [row["Notes"] for row in rows] == ["", ""]


def test_an_original_does_not_confirm_a_wrong_preparation(tmp_path, capsys):
    """It is fed as its own file says, whatever the YAML says."""
    add(ask(classifier(tmp_path / "net.onnx", ending="softmax", notes=ultralytics())))
    yaml_file = definition.MODELS_FOLDER / "mine.yaml"
    text = yaml_file.read_text()
    result = yaml.safe_load(text)
    result["preprocess"] |= {"mean": [123.675, 116.28, 103.53], "norm": [0.017, 0.017, 0.017]}
    yaml_file.write_text(yaml.safe_dump(result))
    original, ncnn = figures(pictures(tmp_path / "data"), capsys)
    assert (float(original["Percent"]), float(ncnn["Percent"])) == (100, 50)
    assert "fed as its file says, and not mine.yaml: mean 0,0,0" in original["Notes"]


def test_what_was_only_assumed_is_in_every_row(tmp_path, capsys, two):
    (tmp_path / "names.txt").write_text("dark\nbright\n")
    add(ask(classifier(tmp_path / "net.onnx"), labels=str(tmp_path / "names.txt")))
    rows = figures(pictures(tmp_path / "data"), capsys)
    assert len(rows) == 2
    for row in rows:
        assert "assumed, not said by its file: order, mean, norm, fit, activation" in row["Notes"]


def test_a_model_that_ships_is_fed_as_it_ships(assets, monkeypatch):
    monkeypatch.setenv("PIYARD_MIRROR", str(assets))
    monkeypatch.setattr(definition, "MODELS_FOLDER", Path(__file__).parents[3] / "models")
    ships = load_model("yolov8_n")
    assert as_file_says(ships).preprocess == ships.preprocess
    assert not isinstance(ships.preprocess, Crop)


TASKS = "ultralytics.nn.tasks"


def torchvision_transforms() -> Any:
    torchvision_models()  # which makes torchvision fit to be imported
    return importlib.import_module("torchvision.transforms")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A classifier's checkpoint as Ultralytics writes it: a pickled module, and how it was fed."""
    transforms = torchvision_transforms()
    model_class: Any = type("ClassificationModel", (nn.Module,), {"__module__": TASKS})
    for name in ("ultralytics", "ultralytics.nn", TASKS):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    vars(sys.modules[TASKS])["ClassificationModel"] = model_class

    def save(network: str, size: int, *, resize: int = 0) -> Path:
        whole: Any = model_class()
        for name, values in build_network(network, 2).state_dict().items():
            *path, last = name.split(".")
            inside: Any = whole
            for part in path:
                if part not in dict(inside.named_children()):
                    inside.add_module(part, nn.Sequential())
                inside = dict(inside.named_children())[part]
            inside.register_buffer(last, values)
        whole.names = {0: "dark", 1: "bright"}
        whole.transforms = transforms.Compose(
            [
                transforms.Resize(resize or size),
                transforms.CenterCrop(size),
                transforms.ToTensor(),
                transforms.Normalize(mean=torch.zeros(3), std=torch.ones(3)),
            ]
        )
        result = {"model": whole, "train_args": {"task": "classify", "imgsz": size}}
        file: Path = tmp_path / "best.pt"
        torch.save(result | {"license": ULTRALYTICS_LICENCE}, file)
        return file

    return save


@pytest.mark.parametrize("network", ["yolov8n-cls", "yolo11s-cls"])
def test_a_trained_classifier_is_fed_as_it_was_trained(trained, network):
    planned = plan_addition(ask(trained(network, 64)))
    result = described(planned)
    assert (result["network"], result["task"], result["input"]) == (
        network,
        "classify",
        [3, 64, 64],
    )
    assert result["preprocess"] == crop(64, 64) | LEVELS
    assert assumed(planned) == []
    assert result["activation"] == "softmax"
    assert "licence: AGPL-3.0" in planned.written[definition.MODELS_FOLDER / "mine.yaml"]


def test_the_crop_that_was_kept_counts(trained):
    addition = described(plan_addition(ask(trained("yolov8n-cls", 64, resize=73))))
    assert addition["preprocess"] == crop(73, 64) | LEVELS
