"""Models of one's own: marked, replaced, removed, named by their files; what was assumed, shown."""

import json
import shlex

import pytest
import yaml
from PIL import Image

from piyard.cli.desk_requests import AddModelRequest, RemoveModelRequest
from piyard.cli.named_types import MODEL_OR_FILE
from piyard.cli.own_models import add_from_request, load_or_add, remove_model
from piyard.convert import converter
from piyard.convert.own.changes import list_changes
from piyard.convert.own.ownership import find_own, plan_removal
from piyard.core import paths
from piyard.core.download import downloads_folder
from piyard.core.errors import PROGRAM, ConversionFailed, WrongInput
from piyard.models.definition import label_list_path, load_definition, load_model, model_names
from tests.conversion.own.graphs import classifier

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SHIPPED = "title: a\ntask: classify\n"


@pytest.fixture
def file(tmp_path):
    return classifier(tmp_path / "mine.onnx")


@pytest.fixture
def request_of(file, two):
    """A request for that file with flags as a user types them."""

    def make(**more):
        flags = {"file": str(file), "labels": str(two), "input": "3,32,32"}
        return AddModelRequest.parse(flags | more)

    return make


def told_changes(text):
    lines = [line.strip() for line in text.splitlines()]
    at = lines.index("assumed, and changed by:")
    return dict(line.split(": ", 1) for line in lines[at + 1 :])


def test_it_is_marked_as_ones_own_and_ends_with_what_was_assumed(request_of, file, two, capsys):
    add_from_request(request_of())
    assert load_definition("mine").own
    changes = told_changes(capsys.readouterr().err)
    assert changes.keys() == {"order", "mean and norm", "fit", "activation"}
    words = shlex.split(changes["order"])
    flags = ["--input", "3,32,32", "--labels", str(two), "--replace", "--order", "bgr"]
    assert words[:3] == [*PROGRAM.split(), "model.add", str(file)]
    assert words[3:] == flags


def test_the_command_that_changes_an_assumption_does(request_of, capsys):
    add_from_request(request_of())
    words = shlex.split(told_changes(capsys.readouterr().err)["order"])[3:]
    flags = dict(zip(words[::2], words[1::2], strict=False))
    assert flags["--input"] == "3,32,32"
    assert load_model("mine").preprocess.order == "rgb"
    add_from_request(request_of(order="bgr", replace=True))
    assert load_model("mine").preprocess.order == "bgr"
    assert "order" not in told_changes(capsys.readouterr().err)


def test_a_sample_is_drawn_to_look_at(request_of, tmp_path, capsys):
    Image.new("RGB", (90, 60), (200, 30, 30)).save(tmp_path / "red.png")
    add_from_request(request_of(sample=str(tmp_path / "red.png")))
    drawn = paths.artifacts() / "samples" / "mine" / "sample.jpg"
    output = capsys.readouterr().err
    assert f"what it sees in {tmp_path / 'red.png'}: " in output
    assert f"look at it: {drawn}" in output
    with Image.open(drawn) as picture:
        assert picture.size == (90, 60)
        assert picture.getpixel((85, 55))[0] > 150


def test_a_sample_that_is_no_picture_is_refused_before_anything_is_done(request_of, two):
    with pytest.raises(WrongInput, match="cannot be read as a picture"):
        add_from_request(request_of(sample=str(two)))
    assert "mine" not in model_names()


def test_a_dry_run_says_it_all_and_writes_nothing(request_of, models, capsys):
    before = sorted(models.rglob("*"))
    add_from_request(request_of(dry_run=True))
    assert sorted(models.rglob("*")) == before
    assert not downloads_folder().exists()
    assert not (paths.artifacts() / "samples").exists()
    output = capsys.readouterr().err
    assert told_changes(output).keys() >= {"order", "fit"}
    assert "sample.jpg" in output


def test_for_a_program_it_is_one_object(request_of, capsys):
    add_from_request(request_of(format="json"))
    got = json.loads(capsys.readouterr().out)
    assert got["model"] == "mine"
    assert got["definition"]["own"] is True
    assert {row["Data type"] for row in got["proof"]} == {"fp16", "fp32"}
    assert got["changes"]["order"].endswith("--order bgr")
    assert len(got["sample"]["top"]) == 2


def test_what_is_there_is_replaced_only_when_that_is_said(request_of, file):
    add_from_request(request_of())
    with pytest.raises(WrongInput, match="already a model 'mine'") as caught:
        add_from_request(request_of())
    assert f"model.add {file} --replace" in caught.value.remedy


def test_a_model_that_ships_is_never_replaced(request_of, models):
    (models / "mine.yaml").write_text(shipped_text())
    with pytest.raises(WrongInput, match=r"which model\.add did not write"):
        add_from_request(request_of(replace=True))


def shipped_text():
    from piyard.core.paths import ROOT

    return (ROOT / "models" / "squeezenet1_1.yaml").read_text()


def test_a_replacement_that_fails_leaves_the_old_one(request_of, models, monkeypatch):
    add_from_request(request_of())
    before = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}

    def fail(*_, **__):
        raise ConversionFailed("no")

    monkeypatch.setattr(converter, "convert_model", fail)
    with pytest.raises(ConversionFailed):
        add_from_request(request_of(order="bgr", replace=True))
    assert {path: path.read_bytes() for path in models.rglob("*") if path.is_file()} == before


def test_removing_takes_its_yaml_lists_and_cached_file(request_of, models, capsys):
    before = sorted(models.rglob("*"))
    add_from_request(request_of())
    labels = label_list_path("mine-labels")
    assert labels.is_file()
    remove_model(RemoveModelRequest.parse({"name": "mine", "dry_run": True}))
    assert labels.is_file()
    removed = capsys.readouterr().out.splitlines()[-3:]
    remove_model(RemoveModelRequest.parse({"name": "mine", "yes": True}))
    assert capsys.readouterr().out.splitlines() == removed
    assert sorted(models.rglob("*")) == before
    assert not list(downloads_folder().iterdir())


def test_lists_and_files_that_another_model_has_stay(request_of):
    add_from_request(request_of())
    add_from_request(request_of(name="twin", labels="mine-labels"))
    removal = plan_removal("mine")
    assert [path.name for path in removal.paths] == ["mine.yaml"]


def test_nobody_asked_means_no(request_of):
    add_from_request(request_of())
    with pytest.raises(WrongInput, match="nobody was asked") as caught:
        remove_model(RemoveModelRequest.parse({"name": "mine"}))
    assert "--yes" in caught.value.remedy
    assert "mine" in model_names()


def test_a_model_that_ships_is_not_removed(models):
    (models / "squeezenet1_1.yaml").write_text(shipped_text())
    with pytest.raises(WrongInput, match=r"'squeezenet1_1' is not a model that model\.add"):
        plan_removal("squeezenet1_1")


def named(file, *names):
    return classifier(file, notes={"names": repr(list(names))})


def test_a_file_in_place_of_a_name_is_added_once(tmp_path, capsys):
    file = named(tmp_path / "best.onnx", "cat", "dog")
    (planned,) = load_or_add([str(file)], dry_run=True)
    assert (planned.name, model_names()) == ("best", [])
    (added,) = load_or_add([str(file)], dry_run=False)
    assert added.name == "best"
    assert "best.onnx becomes the model 'best'" in capsys.readouterr().err
    assert load_or_add([str(file)], dry_run=False) == [load_model("best")]
    assert "best.onnx is the model 'best'" in capsys.readouterr().err
    assert find_own(file, "best") == load_model("best")


def test_another_file_of_the_same_name_is_refused(tmp_path):
    load_or_add([str(named(tmp_path / "best.onnx", "cat", "dog"))], dry_run=False)
    (tmp_path / "other").mkdir()
    other = named(tmp_path / "other" / "best.onnx", "dog", "cat")
    with pytest.raises(WrongInput, match="already a model 'best'") as caught:
        load_or_add([str(other)], dry_run=False)
    assert f"model.add {other} --replace" in caught.value.remedy


def test_a_flag_takes_a_name_or_a_file_that_is_there(tmp_path, models):
    (models / "squeezenet1_1.yaml").write_text(shipped_text())
    file = classifier(tmp_path / "best.onnx")
    assert MODEL_OR_FILE.read("model", str(file)) == str(file)
    assert MODEL_OR_FILE.read("model", "squeezenet1_1") == "squeezenet1_1"
    with pytest.raises(WrongInput, match=r"there is no file gone\.onnx"):
        MODEL_OR_FILE.read("model", "gone.onnx")
    with pytest.raises(WrongInput, match="did you mean 'squeezenet1_1'"):
        MODEL_OR_FILE.read("model", "squeezenet1")


def test_every_assumption_has_a_command():
    from typing import get_args

    from piyard.models.definition import Assumption

    keys = {
        "task": "classify",
        "assumed": list(get_args(Assumption)),
        "input": [3, 224, 224],
        "preprocess": {"fit": "crop", "order": "rgb", "mean": [0, 0, 0], "norm": [1, 1, 1]},
    }
    changes = list_changes(keys)
    assert all(flags[0].startswith("--") and len(flags) % 2 == 0 for flags in changes.values())
    assert changes["input"] == ["--input", "3,256,256"]
    assert yaml.safe_load(f"[{changes['mean and norm'][1]}]") == [123.675, 116.28, 103.53]
