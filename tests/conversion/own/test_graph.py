"""An ONNX file of one's own becomes a model that is proved."""

from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from piyard.convert.conversion_notes import proof_rows, worst_rows
from piyard.convert.converter import convert_model
from piyard.convert.own.adding import plan_addition
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.definition import load_model
from tests.conversion.own.adding import add, as_detector, ask

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def detector(tmp_path):
    """Two levels of a YOLOX head with two classes; a sigmoid comes after, as in real ones."""
    rng = np.random.default_rng(1)
    nodes, weights = [], []
    for level, stride in ((0, 8), (1, 16)):
        shape = (7, 3, stride, stride)
        values = (rng.standard_normal(shape) / stride).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{level}"))
        sides: dict[str, Any] = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        nodes.append(helper.make_node("Conv", ["x", f"w{level}"], [f"raw{level}"], **sides))
        nodes.append(helper.make_node("Sigmoid", [f"raw{level}"], [f"y{level}"]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, list("abcd")) for i in (0, 1)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, tmp_path / "det.onnx")
    return tmp_path / "det.onnx"


def test_a_detector_by_onnx(detector, two, capsys):
    add(as_detector(detector, two, strides=[8, 16]))
    conversion = convert_model(load_model("mine"))
    assert conversion.outputs == ["out0", "out1"]
    assert conversion.manifest.original == "onnxruntime"
    assert conversion.manifest.reference.outputs == {"out0": [7, 8, 8], "out1": [7, 4, 4]}


def test_where_to_cut_need_not_be_told(detector, two, capsys):
    add(as_detector(detector, two, strides=[8, 16], cut=[]))
    assert load_model("mine").cut == ("raw0", "raw1")
    assert "cut where decoding begins, at: raw0, raw1" in capsys.readouterr().err
    assert convert_model(load_model("mine")).manifest.reference.outputs["out1"] == [7, 4, 4]


def test_what_is_fed_levels_is_proved_on_levels(detector, two, script, names, models):
    def noise(conversion):
        return yaml.safe_load(plan_addition(conversion).written[models / "mine.yaml"]).get("noise")

    assert noise(as_detector(detector, two, strides=[8, 16])) == [0, 255]
    assert noise(ask(script, names)) is None


def test_a_person_sees_the_worst_output_a_program_all(detector, two, capsys):
    single = as_detector(detector, two, strides=[8, 16])
    add(single)
    shown = capsys.readouterr().out
    conversion = convert_model(load_model("mine"))
    worst = worst_rows(conversion)
    assert [row[:3] for row in worst] == [
        ["mine", way, kind] for way in ("fp16", "fp32") for kind in ("drawn", "noise", "strided")
    ]
    every = proof_rows(conversion)
    assert len(every) == 2 * len(worst)
    for row in worst:
        same = [float(other[5]) for other in every if other[:3] == row[:3]]
        assert float(row[5]) == min(same)
        assert row[3].endswith(", the least of 2")
    assert shown.count("the least of 2") == len(worst)


def test_labels_that_are_too_many(detector, names, models):
    with pytest.raises(WrongInput, match="has 2 classes, 'mine-labels' has 5"):
        add(as_detector(detector, names, strides=[8, 16]))
    assert not (models / "mine.yaml").exists()


def test_outputs_that_are_not_the_heads(detector, two, models):
    with pytest.raises(WrongInput):
        add(as_detector(detector, two, strides=[8, 16], head="yolov8"))
    assert not (models / "mine.yaml").exists()


def test_a_tensor_to_cut_at_that_is_not_there(detector, two):
    with pytest.raises(ConversionFailed, match="no tensor 'raw2', did you mean 'raw"):
        add(as_detector(detector, two, strides=[8, 16], cut=["raw0", "raw2"]))
