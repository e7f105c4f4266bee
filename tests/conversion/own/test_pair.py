"""A ready ncnn pair of one's own becomes a model, and what may be wrong with one."""

import shutil

import numpy as np
import pytest

from piyard.convert.conversions import list_notes
from piyard.convert.converter import convert_model
from piyard.convert.lowering import PARAM_FILE
from piyard.convert.own.adding import plan_addition
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.definition import load_model
from tests.conversion.own.asking import add, asked

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def pair(script, names, tmp_path):
    add(asked(script, names, name="first"))
    folder = convert_model(load_model("first")).folder
    for ending in ("param", "bin"):
        shutil.copyfile(folder / f"model.ncnn.{ending}", tmp_path / f"ready.{ending}")
    return tmp_path / "ready.param"


def test_a_ready_pair(pair, names, capsys):
    add(asked(pair, names))
    made = convert_model(load_model("mine"))
    assert (made.folder / PARAM_FILE).read_text() == pair.read_text()
    assert set(made.manifest.proof) == {"fp16"}
    assert any("no original" in note for note in list_notes(made))


def test_a_pair_without_its_bin(pair, names):
    pair.with_suffix(".bin").unlink()
    with pytest.raises(WrongInput, match=r"ready\.bin is missing"):
        plan_addition(asked(pair, names))


@pytest.mark.parametrize(
    "change", [lambda b: b[: len(b) // 2], lambda b: b + b"more", lambda _: b""]
)
def test_a_bin_that_belongs_to_another_param(pair, names, models, change):
    weights = pair.with_suffix(".bin")
    weights.write_bytes(change(weights.read_bytes()))
    with pytest.raises(ConversionFailed, match=r"cannot load|does not fit"):
        add(asked(pair, names))
    assert not (models / "mine.yaml").exists()


def test_a_pair_with_nan_in_its_weights(pair, names):
    weights = pair.with_suffix(".bin")
    values = np.fromfile(weights, np.float32)
    values[20:40] = np.nan
    values.tofile(weights)
    with pytest.raises(ConversionFailed, match="not finite"):
        add(asked(pair, names))
