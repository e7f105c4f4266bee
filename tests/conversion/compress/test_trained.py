"""Candidates of a search, and int8 that is trained for."""

import json
import shutil

import numpy as np
import pytest

from piyard.cli.compress import compress_model
from piyard.cli.compress_request import CompressRequest
from piyard.compress.networks import open_network
from piyard.compress.recipe import read_variant_manifest
from piyard.compress.search import count_macs
from piyard.convert.converter import convert_model
from piyard.convert.ncnn_net import net_function
from piyard.convert.param import count_quantised, read_param
from piyard.core.errors import WrongInput
from piyard.models.definition import load_model, model_names
from piyard.models.networks import inference
from piyard.models.synthetic import INPUT_SEED, random_tensors
from tests.conversion.compress.conftest import CLASSES
from tests.support.originals import load_original


def compress(**typed):
    compress_model(CompressRequest.parse({"model": "small", **typed}))


def test_a_search_makes_the_network_that_it_takes(small, halves, capsys):
    compress(
        method=["search"], data=str(halves), trials="2", epochs="1", batch="8", keep_accuracy="0.5"
    )
    loaded = load_model("small@search")
    folder, _ = read_variant_manifest(loaded)
    search = json.loads((folder / "trials.json").read_text())
    first = {"width": 24, "depth": 2, "kernel": 3, "side": 28}
    assert search["trials"][0]["candidate"] == search["finalists"][0]["candidate"] == first
    assert len(search["trials"]) == len(search["finalists"]) == 2
    macs = [count_macs(open_network(load_model(name)), (3, 28, 28)) for name in model_names()]
    assert max(each["cost"] for each in search["trials"]) <= max(macs)
    chosen = search["chosen"]
    assert chosen["cost"] == count_macs(open_network(loaded), loaded.input)
    taken = chosen["candidate"]
    assert loaded.network == (
        f"small_cnn/w{taken['width']}-d{taken['depth']}-k{taken['kernel']}-c3"
    )
    assert loaded.input == (3, taken["side"], taken["side"])
    assert "M multiply-accumulates, taken" in capsys.readouterr().err


def test_a_search_wants_classes(small, halves):
    with pytest.raises(WrongInput, match="of one class"):
        compress(method=["search"], data=str(one_class(halves)))
    assert model_names() == [small]


def test_a_search_says_that_pictures_have_no_classes(small, halves, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    for number, file in enumerate((halves / CLASSES[0]).iterdir()):
        (plain / f"{number}.png").symlink_to(file)
    with pytest.raises(WrongInput, match="no class is known of these pictures"):
        compress(method=["search"], data=str(plain))


def test_a_cut_picture_is_named_before_anything_is_kept(small, halves, tmp_path):
    folder = shutil.copytree(halves, tmp_path / "cut")
    cut = folder / CLASSES[1] / "3.png"
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(WrongInput, match=r"3\.png cannot be read as a picture"):
        compress(method=["search"], data=str(folder), trials="1", epochs="1")
    assert model_names() == [small]


def one_class(halves):
    """A data set with pictures of the first class alone."""
    folder = halves.parent / "alone"
    if not folder.exists():
        folder.mkdir()
        (folder / CLASSES[0]).symlink_to(halves / CLASSES[0])
    return folder


def test_int8_is_trained_proved_and_rebuilt(small, halves, capsys):
    compress(method=["qat"], data=str(halves), steps="3", batch="8")
    loaded = load_model("small@qat-int8")
    folder, manifest = read_variant_manifest(loaded)
    assert count_quantised(read_param(folder / "model.ncnn.param")) == 5
    assert (loaded.network, [point.step for point in manifest.history]) == ("ncnn", [2, 3])
    assert "Failed to load" not in capsys.readouterr().err
    _require_int8_reference(loaded)
    compress_model(CompressRequest.parse({"rebuild": loaded.name, "format": "json"}))
    assert "DIFFERENT" not in capsys.readouterr().out


def _require_int8_reference(model):
    """A board is compared with the int8 file that was proved, not with what it was made of."""
    conversion = convert_model(model)
    inputs = random_tensors(conversion.input_shapes, INPUT_SEED, conversion.input_range)
    (ours,) = net_function(conversion.folder)(*inputs)
    with inference():
        (floats,) = load_original(convert_model(load_model(model.variant.parent))).run(*inputs)
    kept = conversion.reference("out0")
    np.testing.assert_array_equal(kept, ours.ravel())
    assert np.abs(kept - floats.ravel()).max() > 0
