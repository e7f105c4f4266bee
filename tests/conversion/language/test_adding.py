"""Language models of the user's own: a folder, a GGUF file, and what is refused."""

import pytest

from piyard.cli import language, own_models
from piyard.cli.desk_requests import AddModelRequest, RemoveModelRequest
from piyard.convert.language import adding
from piyard.convert.own import ownership
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models import language_models
from tests.support.language_models import TINY, tiny_weights, write_folder, write_gguf


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where models are written."""
    models = tmp_path / "models"
    models.mkdir()
    for module in (adding, language_models, ownership):
        monkeypatch.setattr(module, "LANGUAGE_MODELS_FOLDER", models)
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PIYARD_MIRROR", raising=False)
    return models


def add(path, **flags):
    request = AddModelRequest.parse({"file": str(path)}).replace(name="mine", **flags)
    own_models.add_from_request(request)


@pytest.mark.parametrize("write", [write_folder, write_gguf])
def test_a_model_is_added_converted_and_removed(write, folder, tmp_path, capsys):
    path = write(tmp_path / "their.gguf" if write is write_gguf else tmp_path / "their")
    add(path, dry_run=True)
    assert not list(folder.iterdir())
    add(path)
    model = language_models.load_language_model("mine")
    assert model.own
    assert model.language == TINY
    assert "converted and proved" in capsys.readouterr().err
    with pytest.raises(WrongInput, match="already a model 'mine'"):
        add(path)
    add(path, replace_model=True)
    own_models.remove_model(RemoveModelRequest.parse({"name": "mine"}).replace(yes=True))
    assert not list(folder.iterdir())


def test_a_model_that_cannot_be_converted_is_not_added(folder, tmp_path):
    weights = tiny_weights()
    weights["model.layers.1.mlp.up_proj.weight"][0, 0] = float("nan")
    path = write_folder(tmp_path / "their", TINY, weights)
    with pytest.raises(ConversionFailed, match="NaN or infinity"):
        add(path)
    assert not list(folder.iterdir())


def test_weights_in_several_files_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(WrongInput, match="in several files") as raised:
        add(write_folder(tmp_path / "their", shards=2))
    assert "save_pretrained" in raised.value.remedy


def test_it_is_converted_in_the_precision_that_is_named(tmp_path, capsys):
    path = write_folder(tmp_path / "their")
    add(path, precisions=("int8",), dry_run=True)
    assert "convert mine to int8" in capsys.readouterr().err
    add(path, precisions=("int8",))
    assert "mine in int8: converted and proved" in capsys.readouterr().err
    with pytest.raises(WrongInput, match="there is no file"):
        add(path, replace_model=True, calibration=str(tmp_path / "none.txt"))


def test_a_model_of_pictures_takes_no_precision(tmp_path):
    (tmp_path / "net.onnx").touch()
    with pytest.raises(WrongInput, match=r"net\.onnx is not a language model"):
        add(tmp_path / "net.onnx", precisions=("int8",))


def test_the_default_is_four_bits():
    assert language.DEFAULT_PRECISION == "int4"
