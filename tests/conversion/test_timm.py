"""Networks of timm, where the user has installed it."""

import importlib
import importlib.util
import socket
import sys

import pytest
import torch
import yaml

from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import OwnModelOptions, parse_network
from piyard.core.errors import NotSetUp, WrongInput
from piyard.models.architectures import timm_networks
from piyard.models.networks import build_network, inference, input_shape
from piyard.models.synthetic import random_tensor

needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed"
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NAME = "timm/resnet10t"


def test_without_timm_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    timm_networks._timm.cache_clear()
    with pytest.raises(NotSetUp, match="need timm, which is not installed") as caught:
        build_network(NAME, 3)
    assert caught.value.remedy.endswith(" -m pip install timm")
    timm_networks._timm.cache_clear()


def test_a_flag_and_a_yaml_name_the_same():
    assert parse_network("timm:resnet10t") == parse_network("timm/resnet10t") == NAME
    with pytest.raises(WrongInput, match="unknown network 'resnet19', did you mean 'resnet1"):
        parse_network("resnet19")


@needs_timm
@pytest.mark.parametrize("name", ["timm/resnet10", "timm/hf_hub:a/b", "timm/../x", "timm/"])
def test_a_name_that_timm_does_not_have(name):
    with pytest.raises(WrongInput, match="has no network"):
        build_network(name, 3)


@needs_timm
def test_a_checkpoint_is_prepared_as_timm_says(models, saved):
    file = saved({"state_dict": build_network(NAME, 5).state_dict(), "arch": "resnet10t"})
    options = OwnModelOptions(file=file, name="mine", network=NAME)
    planned = plan_addition(options)
    got = yaml.safe_load(planned.written[models / "mine.yaml"])
    assert (got["network"], got["input"], got["labels"]) == (NAME, [3, 176, 176], "mine-labels")
    assert got["preprocess"]["resample"] == "bicubic"
    assert got["preprocess"]["resize"] == 201  # 176 of it, by timm's share of 0.875
    assert got["assumed"] == ["activation", "labels"]
    assert any(line.startswith("timm ") and "mean 123.675" in line for line in planned.findings)


@needs_timm
def test_what_the_trainer_calls_it_is_named(models, saved):
    file = saved({"state_dict": build_network(NAME, 5).state_dict(), "arch": "resnet10t"})
    with pytest.raises(WrongInput, match="fits no network") as caught:
        plan_addition(OwnModelOptions(file=file, name="mine"))
    assert "it is noted as resnet10t: --network timm:resnet10t" in caught.value.remedy


@pytest.fixture
def models(tmp_path, monkeypatch):
    import shutil

    from piyard.models import definition

    shutil.copytree(definition.MODELS_FOLDER / "labels", tmp_path / "models" / "labels")
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path / "models")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "models"


@needs_timm
def test_nothing_is_downloaded(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert build_network("timm/resnet10t.c3_in1k", 3).state_dict()["fc.bias"].shape == (3,)


@needs_timm
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "mobilevit_xxs"])
def test_attention_of_four_dimensions_computes_what_timms_does(name):
    """Of several windows at once too."""
    timm = importlib.import_module("timm")
    with inference():
        ours = build_network(f"timm/{name}", 5)
        theirs = timm.create_model(name, pretrained=False, num_classes=5).eval()
        theirs.load_state_dict(ours.state_dict())
        x = torch.from_numpy(random_tensor((1, *input_shape(ours))))
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
