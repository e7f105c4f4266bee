"""What no model of one's own can be."""

import pytest
import torch

from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import preprocess_options
from piyard.core.errors import WrongInput
from tests.conversion.own.asking import add, asked, network

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"size": "32,32"}, "--input"),
        ({"size": "3,a,32"}, "--input"),
        ({"size": "8,3,32,32"}, "batch of 8"),
        ({"size": "2,32,32"}, "1, 3 or 4 channels"),
        ({"task": "detct"}, "detct"),
        ({"task": "detect"}, "head"),
        ({"head": "yolo8"}, "did you mean 'yolov8'"),
        ({"name": "../x"}, "name of a model"),
        ({"name": ""}, "name of a model"),
        ({"labels": "nothing.txt"}, "no file nothing.txt"),
        ({"labels": ""}, "labels"),
        ({"preprocess": {"order": "gbr"}}, "order"),
    ],
)
def test_a_flag_that_makes_no_sense(script, names, models, more, told):
    with pytest.raises(WrongInput) as caught:
        plan_addition(asked(script, names, **more))
    assert told in str(caught.value)
    assert not list(models.glob("*.yaml"))


def test_a_file_that_is_no_network(tmp_path, names):
    torch.save(network().state_dict(), tmp_path / "net.pth")
    with pytest.raises(WrongInput, match=r"net\.pth fits no network") as caught:
        plan_addition(asked(tmp_path / "net.pth", names))
    assert "trace" in caught.value.remedy


def test_no_file_at_all(tmp_path, names):
    with pytest.raises(WrongInput, match="is not a file"):
        plan_addition(asked(tmp_path / "net.onnx", names))


def test_a_name_that_is_taken(script, names):
    add(asked(script, names))
    with pytest.raises(WrongInput, match="already") as caught:
        plan_addition(asked(script, names))
    assert "--name" in caught.value.remedy


def test_labels_without_a_name_in_them(script, tmp_path):
    (tmp_path / "empty.txt").write_text("\n  \n")
    with pytest.raises(WrongInput, match="holds no names"):
        plan_addition(asked(script, tmp_path / "empty.txt"))


def test_a_mean_that_is_no_number():
    with pytest.raises(WrongInput, match="--mean 1,two,3"):
        preprocess_options(fit="", order="", mean="1,two,3", norm="")
