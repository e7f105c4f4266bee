"""A ready ncnn pair of one's own becomes a model, and what may be wrong with one."""

import shutil

import numpy as np
import pytest
import torch
import yaml

from piyard.cli.desk_requests import AddModelRequest
from piyard.cli.own_models import add_from_request
from piyard.convert.conversion_notes import list_notes
from piyard.convert.converter import convert_model
from piyard.convert.lowering import PARAM_FILE, lower_program
from piyard.convert.ncnn_net import net_function
from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import OwnModelOptions
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.definition import load_model
from tests.conversion.own.adding import add, ask
from tests.conversion.own.test_cutting import BINS, SIZE, Ultralytics, program

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def pair(script, names, tmp_path):
    add(ask(script, names, name="first"))
    folder = convert_model(load_model("first")).folder
    for ending in ("param", "bin"):
        shutil.copyfile(folder / f"model.ncnn.{ending}", tmp_path / f"ready.{ending}")
    return tmp_path / "ready.param"


def test_a_ready_pair(pair, names, capsys):
    add(ask(pair, names))
    conversion = convert_model(load_model("mine"))
    assert (conversion.folder / PARAM_FILE).read_text() == pair.read_text()
    assert set(conversion.manifest.proof) == {"fp16"}
    assert any("no original" in note for note in list_notes(conversion))


def test_a_pair_without_its_bin(pair, names):
    pair.with_suffix(".bin").unlink()
    with pytest.raises(WrongInput, match=r"ready\.bin is missing"):
        plan_addition(ask(pair, names))


@pytest.mark.parametrize(
    "change", [lambda b: b[: len(b) // 2], lambda b: b + b"more", lambda _: b""]
)
def test_a_bin_that_belongs_to_another_param(pair, names, models, change):
    weights = pair.with_suffix(".bin")
    weights.write_bytes(change(weights.read_bytes()))
    with pytest.raises(ConversionFailed, match=r"cannot load|does not fit|is empty"):
        add(ask(pair, names))
    assert not (models / "mine.yaml").exists()


NOTES = {
    "author": "Ultralytics",
    "task": "detect",
    "imgsz": [SIZE, SIZE],
    "names": dict(enumerate("abcde")),
    "head": "Detect",
}


@pytest.fixture
def exported(tmp_path):
    """A folder as Ultralytics' exporter writes it."""
    network = Ultralytics(apart=True)
    network.weigh.weight.data[:] = torch.arange(BINS, dtype=torch.float).view(1, BINS, 1, 1)
    folder = tmp_path / "best_ncnn_model"
    folder.mkdir()
    program(network, folder / "model.pt")
    lower_program(folder / "model.pt", [(1, 3, SIZE, SIZE)], folder, half=False)
    (folder / "metadata.yaml").write_text(yaml.safe_dump(NOTES))
    return folder, network


def test_a_folder_of_ultralytics_is_cut_where_its_decoding_begins(exported, models):
    folder, network = exported
    add_from_request(AddModelRequest(file=str(folder)))
    conversion = convert_model(load_model("best"))
    x = np.random.default_rng(3).random((3, SIZE, SIZE), np.float32)
    result = net_function(conversion.folder)(x)
    expected = [each for level in network.raw(torch.from_numpy(x)[None]) for each in level]
    assert len(result) == len(expected) == 6
    for item, other in zip(result, expected, strict=True):
        np.testing.assert_allclose(item, other[0].detach().numpy(), atol=1e-4)
    assert not (models / "model.yaml").exists()


def test_a_folder_whose_boxes_mean_something_else_is_told(exported):
    folder, _ = exported
    weights = folder / "model.ncnn.bin"
    values = np.fromfile(weights, np.float32)
    bins = next(i for i in range(len(values)) if (values[i : i + 4] == [0, 1, 2, 3]).all())
    values[bins : bins + BINS] *= 2
    values.tofile(weights)
    planned = plan_addition(OwnModelOptions(file=folder / PARAM_FILE, name="mine"))
    assert any("its boxes are others" in line for line in planned.lines)


def test_a_folder_without_a_pair(tmp_path):
    with pytest.raises(WrongInput, match=r"folder with no \.param files"):
        add_from_request(AddModelRequest(file=str(tmp_path)))


def test_a_pair_with_nan_in_its_weights(pair, names):
    weights = pair.with_suffix(".bin")
    values = np.fromfile(weights, np.float32)
    values[20:40] = np.nan
    values.tofile(weights)
    with pytest.raises(ConversionFailed, match="not finite"):
        add(ask(pair, names))
