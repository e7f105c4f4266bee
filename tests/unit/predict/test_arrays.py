"""Outputs of task other as .npy and PNG, and samples of several inputs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from piyard.core.errors import UnreadableLog, WrongInput
from piyard.models.definition import Model, load_model, model_names
from piyard.predict.arrays import OutputRules, computed_frames, keep_arrays, safe_name, to_levels
from piyard.predict.samples import find_samples, open_samples, read_array
from piyard.vision.predictions import Frame, OutputValues
from piyard.vision.preprocess import prepare_picture
from piyard.vision.schema import FurtherInput, ImageRange
from piyard.vision.tasks.other import OTHER

DEPTH = OutputValues(name="out0", shape=[1, 2, 3], file="0.0.f32")
VALUES = np.array([[[0, 1, 2], [3, 4, 5]]], "<f4")


def kept(folder: Path, values: np.ndarray = VALUES, **rules: object) -> OutputValues:
    (folder / "outputs").mkdir(exist_ok=True)
    values.tofile(folder / "outputs" / "0.0.f32")
    output = msgspec.structs.replace(DEPTH, shape=list(values.shape))
    frame = Frame(name="a.jpg", width=9, height=9, outputs=[output])
    conversion = msgspec.convert({"names": {"out0": "depth/1"}, **rules}, OutputRules)
    (only,) = keep_arrays(frame, "a", folder, conversion).outputs
    return only


def test_values_become_an_array_under_the_names_used_here(tmp_path):
    output = kept(tmp_path)
    assert (output.name, output.file) == ("depth/1", "a.depth-1.npy")
    assert np.array_equal(np.load(tmp_path / "arrays" / output.file), VALUES)
    assert (output.min, output.mean, output.max) == (0, 2.5, 5)
    assert not (tmp_path / "outputs" / "0.0.f32").exists()
    assert not (tmp_path / "drawn").exists()


def test_reading_a_run_twice_gives_the_same(tmp_path):
    first = kept(tmp_path)
    frame = Frame(name="a.jpg", width=9, height=9, outputs=[DEPTH])
    rules = OutputRules(names={"out0": "depth/1"})
    assert keep_arrays(frame, "a", tmp_path, rules).outputs == [first]


def test_a_picture_is_written_too(tmp_path):
    kept(tmp_path, images={"out0": [0.0, 10.0]})
    levels = np.asarray(Image.open(tmp_path / "drawn" / "a.depth-1.png"))
    assert levels.tolist() == [[0, 26, 51], [76, 102, 128]]


def test_values_that_did_not_arrive_are_said(tmp_path):
    frame = Frame(name="a.jpg", width=9, height=9, outputs=[DEPTH])
    with pytest.raises(UnreadableLog, match="1x2x3"):
        keep_arrays(frame, "a", tmp_path, OutputRules())


def test_what_is_not_finite_has_no_figures_and_is_black(tmp_path):
    output = kept(tmp_path, np.array([[np.nan, 1.0], [np.inf, 0.5]], "<f4"))
    assert (output.min, output.mean, output.max) == (None, None, None)
    cells = OTHER.rows([Frame(name="a", width=1, height=1, outputs=[output])])[0]
    assert "not finite" in cells
    assert to_levels(np.array([[np.nan, 1.0]]), (0.0, 1.0), "rgb").tolist() == [[0, 255]]


LEVELS: dict[str, tuple[np.ndarray, ImageRange, str, object]] = {
    "own": (np.array([[2.0, 4.0, 3.0]]), "own", "rgb", [[0, 255, 128]]),
    "cut off": (np.array([[-1.0, 2.0]]), (0.0, 1.0), "rgb", [[0, 255]]),
    "the same everywhere": (np.array([[7.0, 7.0]]), "own", "rgb", [[0, 0]]),
    "colours": (np.array([[[0.0]], [[0.2]], [[1.0]]]), (0.0, 1.0), "rgb", [[[0, 51, 255]]]),
    "blue first": (np.array([[[0.0]], [[0.2]], [[1.0]]]), (0.0, 1.0), "bgr", [[[255, 51, 0]]]),
}


@pytest.mark.parametrize("name", LEVELS)
def test_levels(name):
    values, span, order, expected = LEVELS[name]
    assert to_levels(values, span, order).tolist() == expected


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("depth", "depth"),
        ("../../etc", "etc"),
        ("a/b:0", "a-b-0"),
        ("\x1b[31m", "31m"),
        ("", "output"),
    ],
)
def test_a_name_is_data(name, safe):
    assert safe_name(name) == safe


def test_inferences_of_several_inputs_become_frames():
    lines = [
        {"name": "out0", "shape": [2], "file": "outputs/0.0.out0.f32", "index": 0},
        {"name": "out1", "shape": [3], "file": "outputs/0.1.out1.f32", "index": 0},
        {"name": "out0", "shape": [2], "file": "outputs/1.0.out0.f32", "index": 1},
    ]
    assert [len(frame.outputs) for frame in computed_frames(lines)] == [2, 1]


# -- samples -----------------------------------------------------------------------------------


@pytest.fixture
def model() -> Model:
    first = next(name for name in model_names() if load_model(name).task == "classify")
    further = (FurtherInput(name="onnx::Concat_1", shape=(4,)),)
    return msgspec.structs.replace(load_model(first), task="other", further=further)


def sample(folder: Path, second: str = "in1") -> Path:
    folder.mkdir(parents=True)
    Image.new("RGB", (40, 30), (10, 200, 30)).save(folder / "in0.png")
    np.save(folder / f"{second}.npy", np.arange(4))
    return folder


@pytest.mark.parametrize("second", ["in1", "onnx-Concat_1"])
def test_a_sample_is_a_file_an_input(tmp_path, model, second):
    folder = sample(tmp_path / "one", second)
    with open_samples(model, [str(folder)]) as (only,):
        picture = np.load(only.tensors["in0"])
        expected = prepare_picture(
            Image.open(folder / "in0.png"), model.preprocess, model.input[1:]
        )
        assert np.array_equal(picture, expected)
        assert np.load(only.tensors["in1"]).tolist() == [0, 1, 2, 3]
        assert np.load(only.tensors["in1"]).dtype == np.float32


def test_a_folder_of_folders_is_several_samples(tmp_path):
    for number in (10, 9):
        sample(tmp_path / "all" / str(number))
    assert [path.name for path in find_samples(str(tmp_path / "all"))] == ["9", "10"]


def test_what_is_missing_is_named(tmp_path, model):
    folder = sample(tmp_path / "one")
    (folder / "in1.npy").unlink()
    with (
        pytest.raises(WrongInput, match="no file for the input onnx::Concat_1") as caught,
        open_samples(model, [str(folder)]),
    ):
        pass
    assert "in1.npy" in caught.value.remedy
    with pytest.raises(WrongInput, match="is not a folder"):
        find_samples(str(folder / "in0.png"))


WRONG_ARRAYS = {
    "another shape": np.zeros((5,)),
    "objects": np.array(["a", "b", "c", "d"]),
    "nothing": np.zeros((0,)),
}


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name):
    np.save(tmp_path / "a.npy", WRONG_ARRAYS[name])
    with pytest.raises(WrongInput, match=r"a\.npy"):
        read_array(tmp_path / "a.npy", (4,))


def test_pickles_are_not_run(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(WrongInput, match="cannot be read as"):
        read_array(tmp_path / "a.npy", (1,))


def test_a_batch_of_one_is_no_other_shape(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4)[None])
    assert read_array(tmp_path / "a.npy", (4,)).tolist() == [0, 1, 2, 3]
