"""What files say of themselves: believed as data, never run, and the user's word counts more."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, save_model

from piyard import model
from piyard.conversion import own
from piyard.conversion.own import listing, preparing, said
from piyard.conversion.own.kind import CHECKPOINT
from piyard.conversion.own.said import Said
from piyard.errors import ConversionFailed

ULTRALYTICS = {
    "author": "Ultralytics",
    "task": "segment",
    "names": "{0: 'cat', 1: 'dog'}",
    "license": "AGPL-3.0 License (https://ultralytics.com/license)",
}
SEGMENTS = Said(
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
        made = helper.make_tensor_value_info("y", TensorProto.FLOAT, list(shape))
        nodes = [helper.make_node("Relu", ["x0"], ["y"])]
        opsets = [helper.make_opsetid("", 13)]
        written = helper.make_model(
            helper.make_graph(nodes, "g", fed, [made]), opset_imports=opsets, ir_version=8
        )
        helper.set_model_props(written, notes)
        save_model(written, tmp_path / "net.onnx")
        return tmp_path / "net.onnx"

    return write


def test_an_export_of_ultralytics(graph):
    told = said.of(graph(**ULTRALYTICS), "onnx")
    assert told == SEGMENTS
    assert told.lines("segment", told.size) == [
        "the file says: segment, input 3,320,416, 2 classes, licence AGPL-3.0",
        f"the file says: order rgb, mean 0,0,0, norm {','.join(['0.00392157'] * 3)}, fit letterbox",
    ]


def test_an_export_of_another(graph):
    told = said.of(graph(**{**ULTRALYTICS, "author": "somebody"}), "onnx")
    assert told == Said(size="3,320,416", names=["cat", "dog"])


@pytest.mark.parametrize("task", ["obb", "", "detect; rm"])
def test_a_task_whose_head_is_not_known(graph, task):
    told = said.of(graph(**{**ULTRALYTICS, "task": task}), "onnx")
    assert (told.task, told.head) == ("", "")


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
        "{0: 'cat'" + " " * preparing.LONGEST + "}",
    ],
)
def test_names_that_are_none(graph, names):
    assert said.of(graph(**{**ULTRALYTICS, "names": names}), "onnx").names == []


@pytest.mark.parametrize("licence", ["", "\x1b[2J", "MIT\nall yours"])
def test_a_licence_that_cannot_be_shown(graph, licence):
    assert said.of(graph(**{**ULTRALYTICS, "license": licence}), "onnx").licence == ""


def test_a_name_is_one_line(graph):
    told = said.of(graph(names="['traffic\\n light', ' dog ']"), "onnx")
    assert told.names == ["traffic light", "dog"]


@given(st.text())
def test_no_text_makes_it_fail(text):
    assert isinstance(said._names(preparing.literal(text)), list)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 3, 64, 32), "3,64,32"), ((4, 3, 64, 32), "3,64,32"), (("n", 3, "h", "w"), "")],
)
def test_the_size_of_a_file_that_has_one(graph, shape, size):
    assert said.of(graph(shape), "onnx").size == size


@pytest.mark.parametrize("how", [{"shape": (1, 3)}, {"inputs": 2}])
def test_no_size_of_other_inputs(graph, how):
    assert said.of(graph(**how), "onnx").size == ""


def test_a_file_that_is_no_graph(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no graph")
    with pytest.raises(ConversionFailed, match=r"net\.onnx"):
        said.of(tmp_path / "net.onnx", "onnx")


# -- TorchScript -------------------------------------------------------------------------------


@pytest.fixture
def noted(monkeypatch):
    """A TorchScript file with these notes."""

    def tell(**notes):
        monkeypatch.setattr("piyard.torchscript.notes", lambda _: notes)
        return said.of(Path("net.torchscript"), "torchscript")

    return tell


TRACED = {**ULTRALYTICS, "names": {"0": "cat", "1": "dog"}, "imgsz": [320, 416]}


def test_a_program_that_ultralytics_exported(noted):
    assert noted(**TRACED) == SEGMENTS


def test_a_program_without_notes(noted):
    assert noted() == Said()


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


@pytest.mark.parametrize("task", [None, 7, ["detect"], "obb"])
def test_a_task_in_a_program_that_is_none(noted, task):
    assert noted(**{**TRACED, "task": task}).task == ""


# -- checkpoints -------------------------------------------------------------------------------


def test_a_plain_checkpoint_says_nothing(saved):
    state = {"a": torch.zeros(1)}
    assert said.of(saved(state), CHECKPOINT) == Said()
    assert said.of(saved({"state_dict": state, "license": 7}), CHECKPOINT) == Said()
    assert said.of(saved([torch.zeros(1)]), CHECKPOINT) == Said()
    assert Said().lines("classify", "3,224,224") == []


def test_other_files_are_not_asked():
    assert said.of(Path("nowhere"), "ncnn") == Said()


def test_the_users_word_counts_more():
    asked = own.Asked(file=Path("a"), name="mine", task="detect", size="3,64,64")
    told = Said(task="segment", head="yolov8", size="3,320,416", licence="MIT")
    both = told.complete(asked, "detect", "3,64,64")
    assert (both.task, both.size) == ("detect", "3,64,64")
    assert (both.head, both.licence) == ("yolov8", "MIT")


# -- lists -------------------------------------------------------------------------------------


def test_a_list_that_ships_is_taken():
    names = model.listing("coco80").read_text().splitlines()
    assert listing.of(names, "mine-labels") == listing.Listing("coco80")
    assert listing.of(names, "mine-labels").count == 80


def test_a_list_of_ones_own_is_written():
    mine = listing.of(["cat", "dog"], "mine-labels")
    assert (mine.name, mine.text, mine.count) == ("mine-labels", "cat\ndog\n", 2)


# -- real files --------------------------------------------------------------------------------


def test_a_real_checkpoint_needs_no_word(assets):
    asked = own.Asked(file=assets / "weights/yolo/yolov8n.pt", name="mine")
    planned = own.plan(asked)
    said_so, prepared, fits = planned.findings
    assert said_so == "the file says: detect, input 3,640,640, 80 classes, licence AGPL-3.0"
    assert prepared.startswith("the file says: order rgb, mean 0,0,0, norm 0.0039")
    assert fits == "weights of yolov8n"
    (text,) = planned.written.values()
    for said_so in (
        "network: yolov8n\n",
        "labels: coco80\n",
        "licence: AGPL-3.0",
        "task: detect\n",
    ):
        assert said_so in text


def test_a_real_export_needs_no_word(assets):
    planned = own.plan(own.Asked(file=assets / "weights/yolo/yolo11n-seg.onnx", name="mine"))
    assert planned.findings[0] == (
        "the file says: segment, input 3,640,640, 80 classes, licence AGPL-3.0"
    )
    (text,) = planned.written.values()
    for said_so in ("task: segment\n", "kind: yolov8", "labels: coco80\n", "input: [3, 640, 640]"):
        assert said_so in text
