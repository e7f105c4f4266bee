"""The models that ship, and what a model's YAML may not say."""

import subprocess
import sys

import pytest

from piyard.core.config import load_yaml
from piyard.core.errors import WrongInput
from piyard.core.paths import ROOT
from piyard.models import definition
from piyard.models.definition import ModelDefinition, load_model
from piyard.models.networks import NETWORK_NAMES

GOOD = (definition.MODELS_FOLDER / "resnet18.yaml").read_text()


def load_text(tmp_path, text):
    (tmp_path / "m.yaml").write_text(text)
    return load_yaml(tmp_path / "m.yaml", ModelDefinition)


def test_only_a_file_that_is_the_network_can_be_cut(tmp_path):
    with pytest.raises(WrongInput, match=r"`cut` is for `network` ncnn or onnx or torchscript"):
        load_text(tmp_path, GOOD + "cut: [a]\n")


CLASSIFIERS = ["mobilenet_v2", "resnet18", "resnet50", "shufflenet_v2", "squeezenet1_1"]
"""Torchvision's that ship; a classifier of somebody else may be another way."""


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_that_ships_is_complete(name):
    read = load_model(name)
    labels = read.labels_file.read_text(encoding="utf-8").splitlines()
    assert read.network in NETWORK_NAMES
    assert read.weights[0].url.startswith("https://")
    assert read.weights[0].digest[:8] in read.weights[0].url
    assert all(file.licence and file.dataset and file.source for file in read.weights)
    assert len(labels) == 1000
    assert len(set(labels)) >= 998  # ImageNet has two cranes and two maillots
    assert all(label == label.strip() != "" for label in labels)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_normalisation_is_torchvisions_in_ncnns_terms(name):
    rules = load_model(name).preprocess
    assert rules.mean == pytest.approx([255 * m for m in (0.485, 0.456, 0.406)], rel=1e-12)
    assert rules.norm == pytest.approx([1 / (255 * s) for s in (0.229, 0.224, 0.225)], rel=1e-12)


def test_unknown_model_names_the_nearest():
    with pytest.raises(WrongInput, match="did you mean 'resnet18'"):
        load_model("resnet-18")


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("network:", "netwrok:", "did you mean 'network'"),
        ("task: classify", "task: detect", "task"),
        ("crop: 224", "crop: 257", "crop"),
        ("crop: 224", "crop: 192", "crop"),
        ("resize: 256", "resize: 0", "resize"),
        ("resample: bilinear", "resample: hamming", "resample"),
        ("order: rgb", "order: gbr", "order"),
        ("[3, 224, 224]", "[1, 224, 224]", "input"),
        ("[3, 224, 224]", "[2, 224, 224]", "input"),
        ("order: rgb", "order: gray", "3 numbers and `order` gray 1"),
        ("[3, 224, 224]", "[3, 224]", "input"),
        ("cosine_fp32: 0.9999", "cosine_fp32: 1.5", "cosine_fp32"),
        ("sha256: f37072fd", "sha256: F37072FD", "sha256"),
        ("sha256: f37072fd", "sha256: f37072", "sha256"),
        ("    sha256: ", "    sha256_prefix: ", "sha256_prefix"),
        ("    licence: BSD-3-Clause\n", "", "licence"),
    ],
)
def test_a_wrong_value_names_file_and_key(tmp_path, right, wrong, message):
    assert right in GOOD
    with pytest.raises(WrongInput) as caught:
        load_text(tmp_path, GOOD.replace(right, wrong, 1))
    assert str(tmp_path / "m.yaml") in caught.value.what
    assert message in caught.value.what


def test_weights_have_one_digest_at_most(tmp_path):
    line = next(line for line in GOOD.splitlines() if "sha256:" in line)
    with pytest.raises(WrongInput, match="one of"):
        load_text(tmp_path, GOOD.replace(line, f"{line}\n    sha256_prefix: f37072fd"))


def test_a_network_that_does_not_exist_is_caught_when_the_model_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "imagenet1k.txt").write_text("a\n")
    (tmp_path / "m.yaml").write_text(GOOD.replace("network: resnet18", "network: resnet81"))
    with pytest.raises(WrongInput, match="did you mean 'resnet18'"):
        load_model("m")


def test_labels_that_do_not_exist(tmp_path, monkeypatch):
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path)
    (tmp_path / "m.yaml").write_text(GOOD)
    with pytest.raises(WrongInput, match="labels"):
        load_model("m")


def test_importing_it_is_cheap():
    heavy = "{'torch', 'torchvision', 'ncnn', 'numpy', 'PIL', 'requests'}"
    program = (
        "import sys; from piyard.models.definition import load_model, model_names;"
        "[load_model(name) for name in model_names()];"
        f"sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
