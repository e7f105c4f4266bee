"""What files say of themselves: believed as data, never run, and the user's word counts more."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, save_model

from piyard.convert.own.adding import plan_addition
from piyard.convert.own.defaults import CHECKPOINT, OwnModelOptions
from piyard.convert.own.file_metadata import _class_names, read_metadata
from piyard.convert.own.metadata import Metadata
from piyard.convert.own.name_lists import NameList, match_names
from piyard.convert.own.notes import MAX_TEXT, parse_literal
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.definition import label_list_path

ULTRALYTICS = {
    "author": "Ultralytics",
    "task": "segment",
    "names": "{0: 'cat', 1: 'dog'}",
    "license": "AGPL-3.0 License (https://ultralytics.com/license)",
}
SEGMENTS = Metadata(
    task="segment",
    head="yolov8",
    size="3,320,416",
    names=["cat", "dog"],
    licence="AGPL-3.0",
    author="Ultralytics",
)


@pytest.fixture
def graph(tmp_path):
    """An ONNX file with these notes."""

    def write(shape=(1, 3, 320, 416), inputs=1, **notes):
        fed = [
            helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, list(shape))
            for i in range(inputs)
        ]
        tensor_value_info = helper.make_tensor_value_info("y", TensorProto.FLOAT, list(shape))
        nodes = [helper.make_node("Relu", ["x0"], ["y"])]
        opsets = [helper.make_opsetid("", 13)]
        written = helper.make_model(
            helper.make_graph(nodes, "g", fed, [tensor_value_info]),
            opset_imports=opsets,
            ir_version=8,
        )
        helper.set_model_props(written, notes)
        save_model(written, tmp_path / "net.onnx")
        return tmp_path / "net.onnx"

    return write


def test_an_export_of_ultralytics(graph):
    metadata = read_metadata(graph(**ULTRALYTICS), "onnx")
    assert metadata == SEGMENTS
    assert metadata.lines("segment", metadata.size) == [
        "the file says: segment, input 3,320,416, 2 classes, licence AGPL-3.0",
        f"the file says: order rgb, mean 0,0,0, norm {','.join(['0.00392157'] * 3)}, fit letterbox",
    ]


def test_an_export_of_another(graph):
    metadata = read_metadata(graph(**{**ULTRALYTICS, "author": "somebody"}), "onnx")
    assert metadata == Metadata(size="3,320,416", names=["cat", "dog"])


@pytest.mark.parametrize(
    ("notes", "keys"),
    [
        ({}, {"nms": 0.7}),
        ({"end2end": "True"}, {"end_to_end": True}),
        ({"author": "somebody"}, {}),
    ],
)
def test_boxes_are_suppressed_as_ultralytics_predict_does_it(graph, notes, keys):
    file = graph(**{**ULTRALYTICS, **notes})
    options = OwnModelOptions(file=file, name="mine", task="segment")
    assert read_metadata(file, "onnx").complete(options, "segment", "3,320,416").head_keys == keys


def test_keypoints_and_an_end_without_suppression(graph):
    posing = {**ULTRALYTICS, "task": "pose", "kpt_shape": "[4, 2]", "end2end": "True"}
    metadata = read_metadata(graph(**posing, kpt_names="{0: ['a', 'b', 'c', 'd']}"), "onnx")
    assert metadata.head_keys == {"kpt_shape": [4, 2], "end_to_end": True}
    assert metadata.keypoints == ["a", "b", "c", "d"]
    chosen = metadata.lines("pose", "3,160,160")[0]
    assert f"input {metadata.size} (3,160,160 was chosen)" in chosen
    assert metadata.lines("pose", metadata.size)[0] == (
        "the file says: pose, input 3,320,416, 2 classes, 4 keypoints of 2 values, end to end, "
        "licence AGPL-3.0"
    )


def test_keypoints_of_yolo26_count_from_the_centre(graph):
    metadata = read_metadata(
        graph(**{**ULTRALYTICS, "task": "pose", "kpt_shape": "[17, 3]", "head": "Pose26"}), "onnx"
    )
    assert metadata.head_keys == {"kpt_shape": [17, 3], "kpt_grid": "centred"}


def test_a_network_that_ncnn_cannot_compute_is_refused_by_name(graph, tmp_path):
    file = graph(**{**ULTRALYTICS, "task": "detect", "head": "RTDETRDecoder"})
    with pytest.raises(WrongInput, match=r"RT-DETR: .* TopK and Gather"):
        plan_addition(OwnModelOptions(file=file, name="mine"))


@pytest.mark.parametrize("shape", ["", "[4]", "[0, 3]", "[4, 5]", "['4', 3]", "4", "[True, 2]"])
def test_keypoints_that_are_none(graph, shape):
    notes = {**ULTRALYTICS, "task": "pose", "kpt_shape": shape, "kpt_names": "{0: 3}"}
    metadata = read_metadata(graph(**notes), "onnx")
    assert (metadata.head_keys, metadata.keypoints) == ({}, [])


@pytest.mark.parametrize("task", ["depth", "", "detect; rm"])
def test_a_task_whose_head_is_not_known(graph, task):
    metadata = read_metadata(graph(**{**ULTRALYTICS, "task": task}), "onnx")
    assert (metadata.task, metadata.head) == ("", "")


@pytest.mark.parametrize(
    "names",
    [
        "",
        "{0: 'cat', 2: 'dog'}",
        "{0: 'cat', 1: 7}",
        "{0: 'cat', 1: ' \\n'}",
        "{'a': 'cat'}",
        "'cat'",
        "[1, 2]",
        "{[]: 1}",
        "[" * 5000,
        "__import__('os').abort()",
        "['\\ud800']",
        "['\\x1b[2J']",
        "{0: 'cat'" + " " * MAX_TEXT + "}",
    ],
)
def test_names_that_are_none(graph, names):
    assert read_metadata(graph(**{**ULTRALYTICS, "names": names}), "onnx").names == []


@pytest.mark.parametrize("licence", ["", "\x1b[2J", "MIT\nall yours"])
def test_a_licence_that_cannot_be_shown(graph, licence):
    assert read_metadata(graph(**{**ULTRALYTICS, "license": licence}), "onnx").licence == ""


def test_a_name_is_one_line(graph):
    metadata = read_metadata(graph(names="['traffic\\n light', ' dog ']"), "onnx")
    assert metadata.names == ["traffic light", "dog"]


@given(st.text())
def test_no_text_makes_it_fail(text):
    assert isinstance(_class_names(parse_literal(text)), list)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 3, 64, 32), "3,64,32"), ((4, 3, 64, 32), "3,64,32"), (("n", 3, "h", "w"), "")],
)
def test_the_size_of_a_file_that_has_one(graph, shape, size):
    assert read_metadata(graph(shape), "onnx").size == size


def test_no_size_of_other_inputs(graph):
    assert read_metadata(graph(shape=(1, 3)), "onnx").size == ""


def test_of_several_inputs_the_first_ones_size(graph):
    assert read_metadata(graph(inputs=2), "onnx").size == "3,320,416"


def test_a_file_that_is_no_graph(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no graph")
    with pytest.raises(ConversionFailed, match=r"net\.onnx"):
        read_metadata(tmp_path / "net.onnx", "onnx")


# -- TorchScript -------------------------------------------------------------------------------


@pytest.fixture
def noted(monkeypatch):
    """A TorchScript file with these notes."""

    def tell(**notes):
        monkeypatch.setattr("piyard.convert.script_program.script_notes", lambda _: notes)
        return read_metadata(Path("net.torchscript"), "torchscript")

    return tell


TRACED = {**ULTRALYTICS, "names": {"0": "cat", "1": "dog"}, "imgsz": [320, 416]}


def test_a_program_that_ultralytics_exported(noted):
    assert noted(**TRACED) == SEGMENTS


def test_a_program_without_notes(noted):
    assert noted() == Metadata()


@pytest.mark.parametrize(
    "names",
    [
        None,
        7,
        ["cat", 7],
        {"0": "cat", "2": "dog"},
        {"a": "cat"},
        {"²": "cat"},
        {"9" * 5000: "cat"},
    ],
)
def test_names_in_a_program_that_are_none(noted, names):
    assert noted(**{**TRACED, "names": names}).names == []


@pytest.mark.parametrize(
    "size", [None, 64, "64", [64], [64, "64"], [64, True], [64.0, 64.0], [0, 64]]
)
def test_a_size_in_a_program_that_is_none(noted, size):
    assert noted(**{**TRACED, "imgsz": size}).size == ""


@pytest.mark.parametrize("task", [None, 7, ["detect"], "depth"])
def test_a_task_in_a_program_that_is_none(noted, task):
    assert noted(**{**TRACED, "task": task}).task == ""


# -- checkpoints -------------------------------------------------------------------------------


def test_a_plain_checkpoint_says_nothing(saved):
    state = {"a": torch.zeros(1)}
    assert read_metadata(saved(state), CHECKPOINT) == Metadata()
    assert read_metadata(saved({"state_dict": state, "license": 7}), CHECKPOINT) == Metadata()
    assert read_metadata(saved([torch.zeros(1)]), CHECKPOINT) == Metadata()
    assert Metadata().lines("classify", "3,224,224") == []


def test_other_files_are_not_asked():
    assert read_metadata(Path("nowhere"), "ncnn") == Metadata()


def test_the_users_word_counts_more():
    options = OwnModelOptions(file=Path("a"), name="mine", task="detect", size="3,64,64")
    metadata = Metadata(task="segment", head="yolov8", size="3,320,416", licence="MIT")
    both = metadata.complete(options, "detect", "3,64,64")
    assert (both.task, both.size) == ("detect", "3,64,64")
    assert (both.head, both.licence) == ("yolov8", "MIT")


# -- lists -------------------------------------------------------------------------------------


def test_a_list_that_ships_is_taken():
    names = label_list_path("coco80").read_text().splitlines()
    assert match_names(names, "mine-labels") == NameList("coco80")
    assert match_names(names, "mine-labels").count == 80


def test_a_list_of_ones_own_is_written():
    mine = match_names(["cat", "dog"], "mine-labels")
    assert (mine.name, mine.text, mine.count) == ("mine-labels", "cat\ndog\n", 2)


# -- real files --------------------------------------------------------------------------------


def test_a_real_checkpoint_needs_no_word(assets):
    options = OwnModelOptions(file=assets / "weights/yolo/yolov8n.pt", name="mine")
    planned = plan_addition(options)
    said_so, prepared, fits = planned.findings
    assert said_so == "the file says: detect, input 3,640,640, 80 classes, licence AGPL-3.0"
    assert prepared.startswith("the file says: order rgb, mean 0,0,0, norm 0.0039")
    assert fits == "weights of yolov8n; under 'model'; float16 widened to float32"
    (text,) = planned.written.values()
    for said_so in (
        "network: yolov8n\n",
        "labels: coco80\n",
        "licence: AGPL-3.0",
        "task: detect\n",
    ):
        assert said_so in text


def test_a_real_export_needs_no_word(assets):
    planned = plan_addition(
        OwnModelOptions(file=assets / "weights/yolo/yolo11n-seg.onnx", name="mine")
    )
    assert planned.findings[0] == (
        "the file says: segment, input 3,640,640, 80 classes, licence AGPL-3.0"
    )
    (text,) = planned.written.values()
    for said_so in ("task: segment\n", "kind: yolov8", "labels: coco80\n", "input: [3, 640, 640]"):
        assert said_so in text
