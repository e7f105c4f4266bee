"""A checkpoint is of the network it fits, with as many classes as are named."""

import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import (
    CHECKPOINT,
    CHECKPOINT_SUFFIXES,
    FILE_DEFAULTS,
    FILE_KINDS,
    OwnModelOptions,
    detect_kind,
    network_defaults,
)
from piyard.convert.own.matching import match_network
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models import definition
from piyard.models.architectures.classifiers import (
    CLASSIFIER_TENSORS,
    build_classifier,
    torchvision_models,
)
from piyard.models.checkpoint import STEP_COUNTER, name_state
from piyard.models.definition import label_list_path
from piyard.models.networks import (
    CLASSIFIERS,
    NETWORK_NAMES,
    YOLO_CLASSIFIERS,
    build_network,
    meta_weights,
)
from tests.support.checkpoints import read_checkpoint

CLASSES, KEYPOINTS = 7, 5
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def state(network="squeezenet1_1", classes=CLASSES):
    return build_network(network, classes, keypoints=KEYPOINTS).state_dict()


def describe(file, classes=CLASSES):
    return match_network(file, classes=classes, keypoints=KEYPOINTS).network


FEW_CLASSIFIERS = {"alexnet", "convnext_tiny", "mobilenet_v3_small", "regnet_y_400mf", "vit_b_32"}


@pytest.mark.parametrize("name", sorted(NETWORK_NAMES - CLASSIFIERS | FEW_CLASSIFIERS))
def test_every_network_is_known_again(name, saved):
    assert describe(saved(state(name))) == name


@pytest.mark.parametrize("ending", sorted(CHECKPOINT_SUFFIXES))
def test_every_ending(ending, saved):
    assert detect_kind(saved(state(), f"best{ending}")) == CHECKPOINT


@pytest.mark.parametrize("wrap", ["model", "state_dict"])
def test_however_it_is_wrapped(wrap, saved):
    assert describe(saved({wrap: state(), "epoch": 3})) == "squeezenet1_1"


def renamed(kept, prefix):
    return {f"{prefix}{name}": values for name, values in kept.items()}


@pytest.mark.parametrize("network", ["squeezenet1_1", "yolov8n"])
@pytest.mark.parametrize("prefix", ["model.", "_orig_mod.", "module.model.", "net.backbone."])
def test_a_prefix_that_all_names_share(network, prefix, saved):
    file = saved({"state_dict": renamed(state(network), prefix), "lr": 0.1})
    assert describe(file) == network
    built = build_network(network, CLASSES)
    built.load_state_dict(name_state(read_checkpoint(file), built.state_dict()), strict=True)


def test_what_was_done_to_the_weights_is_said(saved):
    kept = renamed({name: values.half() for name, values in state().items()}, "model.")
    file = saved({"state_dict": {**kept, "loss.weight": torch.ones(7)}, "epoch": 1})
    match = match_network(file, classes=CLASSES, keypoints=KEYPOINTS)
    assert match.lines == [
        (
            "weights of squeezenet1_1; under 'state_dict'; float16, float32 widened to float32; "
            "prefix 'model.' taken off; left out: loss.weight"
        )
    ]
    built = build_network("squeezenet1_1", CLASSES)
    built.load_state_dict(name_state(read_checkpoint(file), built.state_dict()), strict=True)


def test_names_in_a_file_are_one_line_of_text(saved):
    file = saved({"\x1b[31mred\nnet": state()})
    (line,) = match_network(file, classes=CLASSES, keypoints=KEYPOINTS).lines
    assert line == "weights of squeezenet1_1; under '\N{REPLACEMENT CHARACTER}[31mred net'"


def test_a_file_of_an_old_torch(saved, tmp_path):
    """No archive, and no counters of batches."""
    kept = {name: each for name, each in state("resnet18").items() if STEP_COUNTER not in name}
    torch.save(kept, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert describe(tmp_path / "old.pth") == "resnet18"


def test_another_number_of_classes_than_are_named(saved):
    with pytest.raises(WrongInput, match="is squeezenet1_1 for 7 classes, and 9 are named"):
        describe(saved(state()), classes=9)


def test_the_file_shows_how_many_classes_and_keypoints(saved):
    match = match_network(saved(state("yolov8n-pose")), keypoints=17)
    assert (match.network, match.classes, match.keypoints) == ("yolov8n-pose", CLASSES, KEYPOINTS)


@pytest.mark.parametrize("name", sorted(CLASSIFIER_TENSORS))
def test_the_number_of_a_classifiers_tensors(name):
    with meta_weights():
        built = build_classifier(name, CLASSES)
    counted = [key for key in built.state_dict() if not key.endswith(STEP_COUNTER)]
    assert len(counted) == CLASSIFIER_TENSORS[name]


def test_all_of_torchvisions_classifiers_are_listed():
    models = torchvision_models()
    listed = set(models.list_models(module=models))
    assert set(CLASSIFIER_TENSORS) == listed


def test_auxiliary_heads_are_left_out(saved):
    network = torchvision_models().googlenet(num_classes=CLASSES, init_weights=False)
    match = match_network(saved(network.state_dict()), keypoints=17)
    assert match.network == "googlenet"
    assert "only training computes" in match.lines[0]


def test_one_tensor_less_is_another_network(saved):
    less = state()
    less.pop("features.0.bias")
    with pytest.raises(WrongInput) as caught:
        describe(saved(less))
    assert "features.0.bias: none in the file, 64 in the network" in caught.value.evidence


def test_a_network_of_ones_own(saved):
    with pytest.raises(WrongInput) as caught:
        describe(saved(nn.Linear(3, CLASSES).state_dict()))
    assert not caught.value.evidence
    assert "torch.jit.trace" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"text\n" * 9, b"PK\x03\x04 cut off"])
def test_a_file_that_holds_nothing(content, tmp_path):
    (tmp_path / "best.pt").write_bytes(content)
    with pytest.raises(ConversionFailed, match=r"best\.pt"):
        describe(tmp_path / "best.pt")


def test_an_archive_with_a_broken_list_of_what_it_holds(saved):
    file = saved(state())
    whole = bytearray(file.read_bytes())
    at = whole.rindex(b"PK\x01\x02")
    whole[at : at + 4] = b"xxxx"
    file.write_bytes(whole)
    with pytest.raises(ConversionFailed, match=r"best\.pt is only a part of a file, or damaged"):
        detect_kind(file)


def test_a_program_is_no_checkpoint(tmp_path):
    torch.jit.trace(nn.Linear(3, 2), torch.zeros(1, 3)).save(str(tmp_path / "net.pt"))
    assert detect_kind(tmp_path / "net.pt") == "torchscript"


@pytest.mark.parametrize(("ending", "network"), FILE_KINDS.items())
def test_endings_that_say_it(ending, network, tmp_path):
    file = tmp_path / f"net{ending}"
    file.write_bytes(b"some bytes")
    if network == "torchscript":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("net/code/__torch__.py", "")
    assert detect_kind(tmp_path / f"net{ending}") == network


def test_an_ending_that_says_nothing(tmp_path):
    (tmp_path / "net.h5").write_bytes(b"some bytes")
    with pytest.raises(WrongInput, match=r"net\.h5 is none of \.ckpt"):
        detect_kind(tmp_path / "net.h5")


# -- what it is for ----------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path, monkeypatch):
    shutil.copytree(definition.MODELS_FOLDER / "labels", tmp_path / "models" / "labels")
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path / "models")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "models"


USUAL = {"padding": 1.25}
"""What a preprocess has without saying so."""
SHIPPED = [
    (path.stem, description)
    for path in sorted(definition.MODELS_FOLDER.glob("*.yaml"))
    if (description := yaml.safe_load(path.read_text()))["network"] in NETWORK_NAMES
    and "tracker" not in description
]


@pytest.mark.parametrize(("name", "ships"), SHIPPED, ids=[name for name, _ in SHIPPED])
def test_a_trained_one_is_described_as_the_one_that_ships(name, ships, models, saved):
    """But for what rows say of their own: thresholds, masks, figures."""
    lists = {key: ships[key] for key in ("labels", "keypoints") if key in ships}
    listed = {key: Path(label_list_path(each)).read_text() for key, each in lists.items()}
    counts = {key: len(text.splitlines()) for key, text in listed.items()}
    network = build_network(
        ships["network"], counts["labels"], keypoints=counts.get("keypoints", 17)
    )
    options = OwnModelOptions(file=saved(network.state_dict()), name="mine", **lists)
    got = yaml.safe_load(plan_addition(options).written[models / "mine.yaml"])
    for key in ("task", "network", "input", "labels", "keypoints", "noise"):
        assert got.get(key) == ships.get(key), key
    for key, value in ships["preprocess"].items():
        assert got["preprocess"].get(key, USUAL.get(key)) == pytest.approx(value), key
    for key in ("kind", "strides"):
        expected = ships.get("head", {}).get(key)
        assert expected is None or got["head"][key] == expected


def test_every_network_has_a_purpose():
    for name in NETWORK_NAMES - CLASSIFIERS - YOLO_CLASSIFIERS:
        assert network_defaults(name) != FILE_DEFAULTS
    assert network_defaults("yolo11s-seg").task == "segment"
    assert network_defaults("yolo11s-pose").task == "pose"
    assert network_defaults("yolo11s").task == "detect"


def test_what_is_said_counts_more(models, saved, tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"thing {i}\n" for i in range(CLASSES)))
    options = OwnModelOptions(
        file=saved(state("yolox_tiny")),
        name="mine",
        labels=str(tmp_path / "names.txt"),
        size="3,320,320",
        preprocess={"order": "rgb"},
    )
    planned = plan_addition(options)
    got = yaml.safe_load(planned.written[models / "mine.yaml"])
    assert (got["network"], got["input"]) == ("yolox_tiny", [3, 320, 320])
    assert got["preprocess"]["order"] == "rgb"
    assert planned.lines[0] == "weights of yolox_tiny"


def test_a_checkpoint_of_a_pose_network_without_names_is_counted_and_numbered(models, saved):
    network = build_network("yolov8n-pose", 1, keypoints=5)
    addition = plan_addition(OwnModelOptions(file=saved(network.state_dict()), name="mine"))
    described = yaml.safe_load(addition.written[models / "mine.yaml"])
    assert (described["task"], described["keypoints"]) == ("pose", "mine-keypoints")
    assert len(addition.written[models / "labels" / "mine-keypoints.txt"].splitlines()) == 5
    assert "assumed: the 5 keypoints have no names: numbered (--keypoints overrides it)" in (
        addition.findings
    )
