"""A proof by cosine of one number, or of what is always the same, proves nothing and says so."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from piyard.convert.conversion_notes import describe_state, list_notes, proof_rows
from piyard.convert.conversions import Conversion
from piyard.convert.converter import convert_model
from piyard.convert.difference import compare_outputs, worst_difference
from piyard.convert.own.adding import apply_addition, plan_addition
from piyard.convert.own.defaults import OwnModelOptions
from piyard.convert.proof import CONSTANT_NOTE, constant_outputs, output_problem
from piyard.measure import bench
from piyard.measure.bench import check_outputs
from piyard.models import definition
from piyard.models.definition import load_model
from piyard.prove import board_proof
from piyard.prove.board_proof import BoardProof, MeaningProof, proof_remarks
from piyard.run.run_folders import OUTPUTS_FOLDER
from piyard.vision.overlap import Agreement
from tests.conversion.own.graphs import classifier, ultralytics
from tests.support import synthetic_results

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def worst(*pairs):
    return worst_difference([compare_outputs(*pair) for pair in pairs])


def problem(*pairs, way="fp32"):
    return output_problem(load_model("resnet18"), way, worst(*pairs), "noise")


def test_one_number_is_judged_by_its_difference():
    """Its cosine is 1 whatever it is."""
    assert problem(([0.5], [0.5001]), ([0.9], [0.9])) == ""
    result = problem(([0.5], [0.9]), ([0.9], [0.9]))
    assert "differs by 44.44% of its largest value" in result
    assert "a single number: a cosine means nothing" in result


def test_small_numbers_count_beside_large_ones():
    """A logit near zero is as exact as the others, not as a part of itself."""
    assert problem(([0.001], [0.004]), ([8.0], [8.0])) == ""


def test_equal_values_are_judged_by_their_difference():
    assert "same number everywhere" in problem(([0.5, 0.5], [7, 7]))
    assert problem(([0.5, 0.5], [7, 7]), ([1, 0], [1, 0]))
    assert problem(([0.5, 0.5], [0.5, 0.5]), ([1, 0], [0.8, 0.6])).startswith("cosine 0.8")


def test_a_sign_alone_is_no_agreement():
    assert problem(([2.0], [-2.0]))


def test_the_table_gives_no_cosine_where_it_says_nothing():
    assert worst(([0.5], [0.5])).cells == ["1", "n/a", "0"]
    assert worst(([0.5, 1], [0.5, 1])).cells[1] == "1.00000000"


def find(*inputs):
    """What is said of the outputs of a net for several inputs."""
    expected = {
        "model": {"noise": [[np.array(output) for output in outputs] for outputs in inputs]}
    }
    about = worst_difference([compare_outputs([1], [1])])
    named = {"fp32": {"noise": {f"out{i}": about for i in range(len(inputs[0]))}}}
    namespace: Any = SimpleNamespace(expected=expected)
    return constant_outputs(namespace, named)


def test_what_is_always_the_same_is_told():
    assert find([[1, 2], [3]], [[1, 2], [4]]) == {"out0": CONSTANT_NOTE}
    assert find([[1, 2]], [[1, 2.1]]) == {}
    assert find([[0, 0]], [[0, 0]]) == {"out0": CONSTANT_NOTE}


def test_one_input_alone_tells_nothing():
    assert find([[1, 2]]) == {}


@pytest.fixture
def models(tmp_path, monkeypatch):
    (tmp_path / "models" / "labels").mkdir(parents=True)
    monkeypatch.setattr(definition, "MODELS_FOLDER", tmp_path / "models")
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make(file, labels):
    names = file.parent / "names.txt"
    names.write_text("".join(f"{name}\n" for name in labels))
    apply_addition(plan_addition(OwnModelOptions(file=file, name="mine", labels=str(names))))
    return convert_model(load_model("mine"))


def test_a_net_of_one_logit(tmp_path, models):
    single = make(classifier(tmp_path / "net.onnx", heads={"logit": 1}), ["dark", "bright"])
    assert load_model("mine").activation == "sigmoid"
    assert single.empty == {}
    assert "output out0 is a single number: its difference was judged" in list_notes(single)
    assert describe_state(single) == "converted and proved"
    assert {row[5] for row in proof_rows(single)} == {"n/a"}


def test_a_net_that_always_says_the_same(tmp_path, models):
    """The softmax of one value is 1."""
    file = classifier(tmp_path / "net.onnx", heads={"p": 1}, ending="softmax", notes=ultralytics())
    single = make(file, ["dark", "bright"])
    assert single.empty == {"out0": CONSTANT_NOTE}
    assert describe_state(single).startswith("converted, NOT PROVED: out0: the original gives")
    assert any("proves nothing" in note for note in list_notes(single))


def proven(**more):
    usual: dict[str, Any] = {
        "model": load_model("resnet18"),
        "host": "pi5-a",
        "requested": "fp16",
        "precision": "fp16",
        "emulated": False,
        "weights": "random",
        "least": 0.999,
        "meant": [],
        "failed": [],
        "figures": {"noise": {"out0": worst(([0.5], [0.5]))}},
    }
    return BoardProof(**(usual | more))


def test_a_board_that_agrees_by_necessity_has_not_passed():
    (row,) = board_proof.proof_rows([proven(empty={"out0": CONSTANT_NOTE})])
    assert row[-3:] == ["n/a", "0", "proves nothing"]
    assert "output out0 proves nothing" in proof_remarks(proven(empty={"out0": "why"}))[0]
    (row,) = board_proof.proof_rows([proven()])
    assert row[-1] == "passed"


def test_a_board_that_is_wrong_about_one_number_is_astray():
    wrong = proven(figures={"noise": {"out0": worst(([0.5], [0.9]))}})
    assert wrong.astray == ["model"]
    (row,) = board_proof.proof_rows([wrong])
    assert row[-1] == "DIFFERS"
    assert proven().astray == []


SIGHTS = {
    "nothing": Agreement(expected=0, actual=0, matched=0),
    "much": Agreement(expected=2, actual=2, matched=2),
}


def seen(sight, kind="pictures", what="what is found"):
    return MeaningProof(kind=kind, what=what, agreement=SIGHTS[sight], problem="")


@pytest.mark.parametrize("what", ["what is found", "tracks"])
def test_a_board_that_sees_nothing_as_the_original_does_has_not_passed(what):
    proof = proven(model=load_model("yolov8_n"), meant=[seen("nothing", what=what)])
    assert board_proof.proof_rows([proof])[-1][-1] == "proves nothing"
    assert proof_remarks(proof) == [
        f"✗ yolov8_n on pi5-a, pictures: {what} proves nothing: no object expected, none found"
    ]
    proof = proven(model=load_model("yolov8_n"), meant=[seen("much", what=what)])
    assert board_proof.proof_rows([proof])[-1][-1] == "passed"
    assert "2 matched" in proof_remarks(proof)[0]


@pytest.mark.parametrize(
    ("weights", "why"),
    [("random", "its weights are random"), ("0123abcd", "no picture was shown")],
)
def test_a_board_that_was_shown_no_picture_says_so(weights, why):
    proof = proven(model=load_model("yolov8_n"), weights=weights)
    line = f"yolov8_n on pi5-a: only outputs were compared: {why}"
    assert proof_remarks(proof) == [line]


def converted(**proof):
    """A detector with weights, so proved in fp32."""
    manifest = synthetic_results.manifest(
        proof={"fp32": {"computed": "by ncnn", "inputs": {}, **proof}},
        weights={"kind": "file", "sha256": "0" * 64, "source": "a file"},
    )
    return Conversion(
        model=load_model("yolov8_n"), key="k", folder=Path(), manifest=manifest, fresh=True
    )


def test_a_conversion_says_what_its_pictures_did_not_show():
    nothing, much = (msgspec.to_builtins(sight) for sight in SIGHTS.values())
    assert "what is found in pictures proves nothing: no object expected, none found" in list_notes(
        converted(found=nothing)
    )
    assert (
        "what is followed in a clip proves nothing: no object expected, none found"
        in list_notes(converted(found=much, tracks=nothing))
    )
    assert not any("nothing" in note for note in list_notes(converted(found=much, tracks=much)))
    assert any(note.startswith("only outputs were compared: ") for note in list_notes(converted()))


# -- the check after a benchmark ---------------------------------------------------------------


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """The check of a run that saved these values, against a reference."""
    monkeypatch.setattr(bench, "run_folder", lambda _: tmp_path)
    monkeypatch.setattr(bench, "read_precision_label", lambda _: "fp16")

    def of(reference, saved, **more):
        (tmp_path / "reference").mkdir(exist_ok=True)
        (tmp_path / OUTPUTS_FOLDER).mkdir(exist_ok=True)
        np.array(reference, "<f4").tofile(tmp_path / "reference" / "out0.f32")
        np.array(saved, "<f4").tofile(tmp_path / OUTPUTS_FOLDER / "out0.f32")
        outputs = {"out0": [len(reference)]}
        info = {"seed": 1, "span": [-1, 1], "outputs": outputs}
        manifest = synthetic_results.manifest(reference=info, **more)
        conversion = Conversion(
            model=load_model("resnet18"), key="k", folder=tmp_path, manifest=manifest, fresh=False
        )
        record: Any = SimpleNamespace(id="r")
        return check_outputs(record, conversion)

    return of


def test_one_number_after_a_benchmark(checked):
    assert checked([0.5], [0.51]).ok
    wrong = checked([0.5], [0.9])
    assert not wrong.ok
    assert wrong.blind == {"out0": "a single number"}
    assert json.loads(msgspec.json.encode(wrong))["cosine"] == {"out0": 1.0}


def test_what_its_proof_said_of_it_goes_on(checked):
    assert checked([0.5, 1], [0.5, 1], empty={"out0": "constant"}).empty == {"out0": "constant"}
    assert checked([0.5, 1], [0.5, 1]).empty == {}
