"""Whole modules in files: what they say of their layers beside the tensors decides."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from piyard.convert.own.matching import match_network
from piyard.core.errors import WrongInput
from piyard.core.files import sha256_of_file
from piyard.models.networks import build_network
from piyard.models.weights import ChosenWeights, load_weights
from piyard.models.weights_file import Weights
from tests.conversion.drawn_weights import drawn

NAME, CLASSES = "yolov8n-cls", 3


@pytest.fixture
def whole() -> nn.Module:
    network = build_network(NAME, CLASSES)
    network.load_state_dict(drawn(network.state_dict()))
    return network


def kept(what: object, folder: Path) -> Path:
    torch.save(what, folder / "own.pt")
    return folder / "own.pt"


def loaded(file: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    monkeypatch.setenv("PIYARD_MIRROR", str(file.parent))
    digest = sha256_of_file(file)
    network = build_network(NAME, CLASSES)
    load_weights(
        network,
        ChosenWeights(
            file=Weights(source="own", sha256=digest, licence="own", dataset="none"), sha256=digest
        ),
    )
    return network


def computed(network: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = network(torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64))[0]
    return logits


@pytest.mark.parametrize("added", [1e-5, 1e-3, 0.1])
@pytest.mark.parametrize(
    "wrap", [lambda net: {"model": net}, nn.DataParallel], ids="own held".split()
)
def test_norms_add_what_the_file_says(whole, added, wrap, tmp_path, monkeypatch):
    for layer in whole.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = added
    network = loaded(kept(wrap(whole), tmp_path), monkeypatch)
    assert torch.equal(computed(network), computed(whole))


def test_a_state_dict_leaves_norms_as_the_network_has_them(whole, tmp_path, monkeypatch):
    """Ultralytics' classifiers have torch's own, where its detectors have 0.001."""
    network = loaded(kept(whole.state_dict(), tmp_path), monkeypatch)
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {nn.BatchNorm2d(1).eps}
    detector = build_network("yolov8n", CLASSES).modules()
    assert {each.eps for each in detector if isinstance(each, nn.BatchNorm2d)} == {1e-3}


def test_tensors_that_fit_layers_of_another_kind_are_no_match(whole, tmp_path):
    assert match_network(kept(whole, tmp_path), keypoints=17).network == NAME
    for layer in whole.modules():
        if hasattr(layer, "act"):
            layer.act = nn.ReLU()
    with pytest.raises(WrongInput, match=f"tensors of {NAME}, and computes something") as caught:
        match_network(kept({"model": whole}, tmp_path), keypoints=17)
    assert caught.value.evidence == "activations: ReLU in the file, SiLU in the network"


def test_tensors_that_fit_another_stride_are_no_match(whole, tmp_path):
    whole.model[0].conv.stride = (1, 1)
    with pytest.raises(WrongInput) as caught:
        match_network(kept(whole, tmp_path), keypoints=17)
    assert caught.value.evidence == (
        "model.0.conv: stride (1, 1) in the file, (2, 2) in the network"
    )
