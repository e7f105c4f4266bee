"""One model by several routes, and a model of two nets."""

import numpy as np
import pytest

from piyard.convert.conversion_notes import PROOF_COLUMNS, compare_routes, list_notes, proof_rows
from piyard.convert.converter import convert_model
from piyard.convert.ncnn_net import load_net, net_inputs, run_net
from piyard.convert.net_size import count_operations
from piyard.core.errors import DownloadFailed, WrongInput
from piyard.models import definition
from piyard.models.definition import load_model
from piyard.models.synthetic import random_tensor


@pytest.fixture(scope="module")
def by_route(base, tmp_path_factory):
    """A small SqueezeNet by every route."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "labels").mkdir()
    (folder / "labels" / "ten.txt").write_text("".join(f"class {i}\n" for i in range(10)))
    text = (definition.MODELS_FOLDER / "squeezenet1_1.yaml").read_text()
    swaps = {"[3, 224, 224]": "[3, 64, 64]", "resize: 256": "resize: 73", "crop: 224": "crop: 64"}
    for old, new in (swaps | {"labels: imagenet1k": "labels: ten"}).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "small.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(definition, "MODELS_FOLDER", folder)
        patch.setenv("PIYARD_ARTIFACTS", str(base / "artifacts"))
        patch.delenv("PIYARD_MIRROR", raising=False)
        return {
            route: convert_model(load_model("small"), random_weights=True, route=route)
            for route in ("trace", "script", "onnx", "pnnx")
        }


def test_each_route_has_a_conversion_of_its_own(by_route):
    assert len({result.key for result in by_route.values()}) == 4
    assert {route: result.manifest.route for route, result in by_route.items()} == {
        route: route for route in by_route
    }


@pytest.mark.parametrize("route", ["script", "onnx", "pnnx"])
def test_all_compute_the_same(by_route, route):
    x = random_tensor((3, 64, 64), 40)
    expected, got = (
        run_net(load_net(by_route[each].folder), x)["out0"] for each in ("trace", route)
    )
    assert np.allclose(expected, got, atol=1e-4)


@pytest.mark.parametrize("route", ["script", "onnx", "pnnx"])
def test_the_proof_is_against_the_network_itself(by_route, route):
    result = by_route[route]
    assert result.manifest.original == "torch"
    assert result.manifest.params == by_route["trace"].manifest.params
    assert not result.failed


def test_every_route_keeps_its_ir(by_route):
    for result in by_route.values():
        assert (result.folder / "model.pnnx.param").is_file()
        assert (result.folder / "model.pnnx.bin").is_file()


def test_the_deprecated_route_says_so_and_how_it_differs(by_route):
    (note,) = list_notes(by_route["onnx"])
    assert "deprecated" in note
    assert list_notes(by_route["trace"]) == []
    lines = compare_routes(by_route["onnx"], by_route["trace"])
    assert "route onnx beside trace" in lines[0]
    assert ["fp16" in line or "fp32" in line for line in lines] == [False, True, True]


def test_a_table_of_the_proof(by_route):
    rows = proof_rows(by_route["trace"])
    assert {(row[1], row[2]) for row in rows} == {
        (way, kind) for way in ("fp32", "fp16") for kind in ("drawn", "noise", "strided")
    }
    assert all(len(row) == len(PROOF_COLUMNS) for row in rows)


def test_an_unknown_route():
    with pytest.raises(WrongInput, match="did you mean 'script'"):
        convert_model(load_model("resnet18"), random_weights=True, route="scripted")


def test_a_file_that_is_the_network_cannot_be_random():
    with pytest.raises(WrongInput, match="nanodet needs its file"):
        convert_model(load_model("nanodet"), random_weights=True)


def test_a_file_that_is_the_network_cannot_be_traced(offline):
    with pytest.raises(WrongInput, match="route 'trace'") as caught:
        convert_model(load_model("nanodet"), route="trace")
    assert "onnx, pnnx" in caught.value.remedy


# -- with trained weights ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def tracker(base, assets):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIYARD_ARTIFACTS", str(base / "artifacts"))
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        patch.setenv("PIYARD_MIRROR", str(assets))
        return convert_model(load_model("nanotrack"))


def test_a_tracker_is_two_nets_in_one_folder(tracker):
    assert tracker.stems == ["model", "head"]
    for stem in tracker.stems:
        assert load_net(tracker.folder, stem)
    backbone, head = (load_net(tracker.folder, stem) for stem in tracker.stems)
    assert (net_inputs(backbone), net_inputs(head)) == (["in0"], ["in0", "in1"])


def test_its_backbone_takes_template_and_search(tracker):
    backbone, head = (load_net(tracker.folder, stem) for stem in tracker.stems)
    features = [run_net(backbone, random_tensor((3, side, side)))["out0"] for side in (127, 255)]
    assert [feature.shape for feature in features] == [(96, 8, 8), (96, 16, 16)]
    net = run_net(head, *features)
    assert {name: each.shape for name, each in net.items()} == {
        "out0": (2, 15, 15),
        "out1": (4, 15, 15),
    }


def test_both_nets_are_proved(tracker):
    for way in ("fp32", "fp16"):
        kinds = tracker.manifest.proof[way].inputs
        assert {"out0", "head:out0", "head:out1"} <= set(kinds["noise"])
        assert set(kinds["dynamic"]) == {"out0"}
        assert all(
            figures.cosine > 0.999 for outputs in kinds.values() for figures in outputs.values()
        )


def test_a_missing_head_is_told(monkeypatch, tmp_path, offline, mirror):
    text = (definition.MODELS_FOLDER / "nanotrack.yaml").read_text()
    (tmp_path / "models").mkdir()
    begin = text.index("    sha256: ", text.index("head:"))
    line = text[begin : text.index("\n", begin)]
    (tmp_path / "models" / "other.yaml").write_text(text.replace(line, f"    sha256: '{'0' * 64}'"))
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path / "models")
    with pytest.raises(DownloadFailed, match="cannot be downloaded"):
        convert_model(load_model("other"))


def test_a_trackers_work_is_that_of_a_frame(tracker):
    """Its template is looked at once; NanoTrack v3's authors tell 541 thousand parameters."""
    backbone = count_operations(tracker.folder, [random_tensor((3, 255, 255))])
    features = [np.zeros((96, side, side), np.float32) for side in (8, 16)]
    head = count_operations(tracker.folder, features, "head")
    manifest = tracker.manifest
    assert manifest.params == backbone.params + head.params
    assert manifest.macs == backbone.macs + head.macs
    assert manifest.params == pytest.approx(541_000, rel=0.01)
