"""``compress --method ptq`` from its command to its table, and what it makes of bad pictures."""

import json

import pytest

from piyard.cli.compress import compress_model
from piyard.cli.compress_request import CompressRequest
from piyard.compress.recipe import read_variant_manifest
from piyard.convert.converter import convert_model
from piyard.convert.param import count_quantised, read_param
from piyard.core.errors import WrongInput
from piyard.models.definition import load_model, model_names
from piyard.results.accuracies import stored_evaluations


def compress(**typed):
    compress_model(CompressRequest.parse({"model": "small", **typed}))


def test_int8_is_made_proved_judged_and_rebuilt(small, halves, capsys):
    compress(method=["ptq"], data=str(halves), format="json")
    original, variant = json.loads(capsys.readouterr().out)
    assert (variant["model"], variant["precision"]) == ("small@ptq-int8", "int8")
    assert abs(variant["points_off"]) <= 10
    assert (variant["speedup"], variant["macs"]) == (None, original["macs"])
    assert variant["bytes"] < 0.5 * original["bytes"]
    loaded = load_model("small@ptq-int8")
    folder, _ = read_variant_manifest(loaded)
    quantised = count_quantised(read_param(folder / "model.ncnn.param"))
    assert 3 <= quantised <= 4  # of five: what costs most keeps floats
    assert (original["data_type"], variant["data_type"]) == ("fp16", f"int8+fp16 ({quantised}/5)")
    (kept,) = [each for each in stored_evaluations() if each.model == loaded.name]
    assert kept.precision == f"int8+fp32 ({quantised}/5)"
    assert convert_model(loaded).manifest.proof["int8"].inputs["drawn"]["out0"].cosine > 0.9
    compress_model(CompressRequest.parse({"rebuild": loaded.name, "format": "json"}))
    files = json.loads(capsys.readouterr().out)
    assert {file["File"] for file in files} >= {"model.ncnn.param", "model.ncnn.bin"}
    assert all(file["Manifest"] == file["Rebuilt"] for file in files)


def test_it_says_that_the_same_pictures_calibrate_and_judge(small, halves, capsys):
    compress(method=["ptq"], data=str(halves))
    shown = capsys.readouterr()
    assert "scales were found by some of the pictures that judge here" in shown.err
    assert "/5) is faster is not known here" in shown.out
    compress(method=["prune"], data=str(halves), steps="1", batch="8")
    assert "pictures that judge here" not in capsys.readouterr().err


def test_pictures_of_one_class_and_none_are_refused(small, halves, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "top").symlink_to(halves / "top")
    with pytest.raises(WrongInput, match="one class"):
        compress(method=["ptq"], data=str(alone))
    with pytest.raises(WrongInput, match="needs pictures"):
        compress(method=["ptq"])
    assert model_names() == [small]
