"""``invoke model.list``: what there is, for people and for programs."""

import json

import pytest
import yaml

from piyard.cli.desk_requests import ModelsRequest
from piyard.cli.make import list_models
from piyard.core import download
from piyard.core.errors import WrongInput
from piyard.models import definition
from piyard.models.definition import load_model, model_names
from piyard.models.language_models import language_model_names
from piyard.vision.tasks import TASK_NAMES


@pytest.fixture
def list_rows(capsys):
    def rows(task=""):
        list_models(ModelsRequest.parse({"task": task}).task, "json")
        return {row["Model"]: row for row in json.loads(capsys.readouterr().out)}

    return rows


def test_all_models_are_there(list_rows):
    assert list(list_rows()) == model_names() + language_model_names()


def test_language_models_say_how_much_they_can_read(list_rows):
    row = list_rows("generate")["qwen3_0_6b"]
    assert (row["Input"], row["Params"], row["Weights"]) == (
        "40,960 tokens",
        "596.05 M",
        "to download",
    )
    assert list(list_rows("generate")) == language_model_names()


OWN_ONLY = {"semantic", "other"}
"""Tasks that no model is for that ships."""


@pytest.mark.parametrize("task", TASK_NAMES)
def test_those_of_a_task(list_rows, task):
    there = {name for name in model_names() if load_model(name).task == task}
    assert set(list_rows(task)) == there
    assert bool(there) == (task not in OWN_ONLY)


def test_a_row_is_what_the_publisher_says(list_rows):
    assert list_rows("classify")["resnet18"] == {
        "Model": "resnet18",
        "Task": "classify",
        "Input": "224x224",
        "Params": "11.69 M",
        "GFLOPs/MACs": "1.81 GMACs",
        "Published accuracy": "top-1 69.8",
        "Weights": "to download",
        "Licence": "BSD-3-Clause",
        "Whose": "piyard's",
        "Variant of": "",
    }
    assert list_rows("detect")["yolov8_n"]["Published accuracy"] == "mAP 37.3"


def test_what_nobody_publishes_is_not_guessed(list_rows):
    row = list_rows("pose")["simplepose"]
    assert (row["Params"], row["GFLOPs/MACs"], row["Published accuracy"]) == ("N/A",) * 3


def test_licences_of_all_files(list_rows, tmp_path, monkeypatch):
    described = yaml.safe_load((definition.MODELS_FOLDER / "nanotrack.yaml").read_text())
    described["parts"]["head"]["licence"] = "MIT"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(described))
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path)
    assert list_rows()["mine"]["Licence"] == "Apache-2.0; MIT"


def test_whether_all_files_are_at_hand(list_rows, monkeypatch):
    main = load_model("nanotrack").weights[0].sha256
    head = load_model("nanotrack").parts["head"].sha256
    here = {main}
    monkeypatch.setattr(download, "known_sha256", lambda digest: digest if digest in here else None)
    assert list_rows("track")["nanotrack"]["Weights"] == "to download"
    here.add(head)
    assert list_rows("track")["nanotrack"]["Weights"] == "here"


def test_another_accepted_file_will_do(list_rows, monkeypatch):
    other = load_model("squeezenet1_1").weights[1].sha256
    monkeypatch.setattr(
        download, "known_sha256", lambda digest: digest if digest == other else None
    )
    assert list_rows("classify")["squeezenet1_1"]["Weights"] == "here"


def test_what_has_no_public_address(list_rows):
    assert list_rows("pose")["yolo11_n_pose"]["Weights"] == "only by PIYARD_MIRROR"


def test_a_task_there_is_not():
    with pytest.raises(WrongInput, match="did you mean 'detect'"):
        ModelsRequest.parse({"task": "detct"})


def test_a_format_there_is_not():
    with pytest.raises(WrongInput, match="format"):
        ModelsRequest.parse({"format": "xml"})
