"""Where a classifier's classes are, and what makes scores of them: by how its file ends."""

from __future__ import annotations

import msgspec
import pytest
import torch
import yaml
from torch import nn

from piyard.convert.conversions import find_class_output
from piyard.convert.converter import convert_model
from piyard.convert.output_kinds import layer_output_kind
from piyard.convert.own.adding import plan_addition
from piyard.convert.own.class_output import ClassifierOutputs, choose_class_output, read_outputs
from piyard.convert.own.defaults import OwnModelOptions
from piyard.convert.param import read_param
from piyard.core.errors import WrongInput
from piyard.models import definition
from piyard.models.definition import load_model
from piyard.predict.command import PredictOptions, nnrun_flags
from piyard.predict.prediction import resolve_classes
from tests.conversion.own.adding import add
from tests.conversion.own.graphs import ENDINGS, classifier

pytestmark = [
    pytest.mark.usefixtures("models"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
SHAPE = (3, 32, 32)
HEADS = {"colour": 2, "form": 3}
MADE = {
    "logits": "logits",
    "softmax": "probabilities",
    "sigmoid": "probabilities",
    "log_softmax": "log-probabilities",
    "log_of_softmax": "log-probabilities",
    "reshaped": "probabilities",
    "shares": "logits",
}


class Ending(nn.Module):
    """The mean of each channel, and what comes after."""

    def __init__(self, after) -> None:
        super().__init__()
        self.linear, self.after = nn.Linear(3, 2), after

    def forward(self, x: torch.Tensor):
        return self.after(self.linear(x.mean((2, 3))))


def shares(x: torch.Tensor) -> torch.Tensor:
    """A softmax as some exporters take it apart."""
    return torch.exp(x) / torch.exp(x).sum(1, keepdim=True)


def both(x: torch.Tensor) -> torch.Tensor:
    """No and yes, of one logit."""
    yes = torch.sigmoid(x[:, :1])
    return torch.cat([1 - yes, yes], 1)


PROGRAMS = {
    "logits": (lambda x: x * 2, "logits"),
    "softmax": (lambda x: torch.softmax(x, 1), "probabilities"),
    "sigmoid": (torch.sigmoid, "probabilities"),
    "taken apart": (shares, "probabilities"),
    "no and yes": (both, "probabilities"),
    "log_softmax": (lambda x: torch.log_softmax(x, 1), "log-probabilities"),
    "log": (lambda x: torch.log(torch.softmax(x, 1)), "log-probabilities"),
    "a root": (lambda x: torch.sqrt(torch.softmax(x, 1)), "logits"),
}


def ask(file, labels, **more):
    return OwnModelOptions(**({"file": file, "name": "mine", "labels": str(labels)} | more))


def described(planned):
    return yaml.safe_load(planned.written[definition.MODELS_FOLDER / "mine.yaml"])


def test_every_ending_of_a_graph_is_tried():
    assert ENDINGS.keys() == MADE.keys()


@pytest.mark.parametrize("name", ENDINGS)
def test_how_a_graph_ends(tmp_path, name):
    outputs = read_outputs(classifier(tmp_path / "a.onnx", ending=name), "onnx", SHAPE, [])
    assert (outputs.names, outputs.sizes, outputs.ends) == (["scores"], [2], [MADE[name]])


@pytest.mark.parametrize("name", PROGRAMS)
def test_how_a_program_ends(tmp_path, name):
    """Before it is converted, and what pnnx makes of it."""
    after, expected = PROGRAMS[name]
    file = tmp_path / "a.torchscript"
    torch.jit.trace(Ending(after).eval(), torch.zeros(1, *SHAPE)).save(str(file))
    assert read_outputs(file, "torchscript", SHAPE, []).ends == [expected]


def test_log_probabilities_are_never_a_boards(tmp_path, two):
    """A float holds 0 for some of them, of which ncnn's logarithm is not a number."""
    add(ask(classifier(tmp_path / "a.onnx", ending="log_softmax"), two))
    conversion, rules = convert_model(load_model("mine")), load_model("mine")
    assert rules.activation == "exp"
    assert conversion.failed == []
    layers = read_param(conversion.folder / "model.ncnn.param")
    assert layer_output_kind(layers, "out0") == "probabilities"
    assert layers[-1].type == "Softmax"
    assert float(conversion.reference("out0").sum()) == pytest.approx(1)
    line = nnrun_flags(rules, PredictOptions())
    assert line[line.index("--activation") + 1] == "none"


def test_a_ready_pair_says_how_it_ends_too(tmp_path, two):
    add(ask(classifier(tmp_path / "a.onnx", ending="softmax"), two))
    folder = convert_model(load_model("mine")).folder
    pair = read_outputs(folder / "model.ncnn.param", "ncnn", SHAPE, [])
    assert (pair.names, pair.ends) == (["out0"], ["probabilities"])


@pytest.mark.parametrize(
    ("ends", "size", "activation"),
    [
        ("logits", 2, "softmax"),
        ("logits", 1, "sigmoid"),
        ("probabilities", 2, "none"),
        ("probabilities", 1, "none"),
        ("log-probabilities", 2, "exp"),
    ],
)
def test_what_makes_scores_of_it(ends, size, activation):
    outputs = ClassifierOutputs(names=["a"], sizes=[size], ends=[ends])
    chosen = choose_class_output(outputs, output="", activation="", labels=2)
    assert (chosen.activation, chosen.output) == (activation, "")
    assert ("activation" in chosen.assumed) == (ends == "logits")
    assert bool(chosen.ending) == (ends != "logits")


def test_a_program_of_one_value_decides_when_it_runs():
    outputs = ClassifierOutputs(names=["out0"], sizes=[0], ends=["logits"])
    assert choose_class_output(outputs, output="", activation="", labels=2).activation == "auto"
    assert choose_class_output(outputs, output="", activation="", labels=1).activation == "sigmoid"


def test_several_labels_a_picture_need_a_word(tmp_path, two):
    file = classifier(tmp_path / "a.onnx")
    assert described(plan_addition(ask(file, two)))["activation"] == "softmax"
    addition = described(plan_addition(ask(file, two, activation="sigmoid")))
    assert addition["activation"] == "sigmoid"
    assert "activation" not in addition["assumed"]


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "exp"])
def test_probabilities_are_left_as_they_are(tmp_path, two, activation):
    file = classifier(tmp_path / "a.onnx", ending="softmax")
    with pytest.raises(WrongInput, match="'scores' already holds probabilities"):
        plan_addition(ask(file, two, activation=activation))


def test_what_is_no_logarithm_is_not_undone(tmp_path, two):
    with pytest.raises(WrongInput, match="does not end in the logarithm"):
        plan_addition(ask(classifier(tmp_path / "a.onnx"), two, activation="exp"))


def test_probabilities_show_however_they_are_computed(tmp_path, two):
    """No softmax is to be seen, and the outputs sum to 1."""
    file = classifier(tmp_path / "a.onnx", ending="shares")
    assert read_outputs(file, "onnx", SHAPE, []).ends == ["logits"]
    with pytest.raises(WrongInput, match="they sum to 1") as caught:
        add(ask(file, two))
    assert "--activation none" in caught.value.remedy
    assert not (definition.MODELS_FOLDER / "mine.yaml").exists()
    add(ask(file, two, activation="none"))
    assert convert_model(load_model("mine")).failed == []


def test_an_unknown_activation(tmp_path, two):
    with pytest.raises(WrongInput, match="did you mean 'sigmoid'"):
        plan_addition(ask(classifier(tmp_path / "a.onnx"), two, activation="sigmoids"))


# -- several outputs ---------------------------------------------------------------------------


def test_the_output_with_as_many_values_as_labels_is_assumed(tmp_path, two):
    planned = plan_addition(ask(classifier(tmp_path / "a.onnx", heads=HEADS), two))
    assert described(planned)["output"] == "colour"
    assert "output" in described(planned)["assumed"]
    (line,) = [line for line in planned.lines if line.startswith("assumed: output")]
    assert "colour (2), form (3)" in line
    assert "--output" in line


def test_the_output_that_is_named(tmp_path, names):
    file = classifier(tmp_path / "a.onnx", heads={"colour": 5, "form": 5})
    with pytest.raises(WrongInput, match=r"several have .* \(5\): colour \(5\), form \(5\)"):
        plan_addition(ask(file, names))
    addition = described(plan_addition(ask(file, names, output="form")))
    assert addition["output"] == "form"
    assert "output" not in addition["assumed"]


@pytest.mark.parametrize(
    ("output", "message"), [("from", "did you mean 'form'"), ("out7", "no output 'out7'")]
)
def test_an_output_there_is_not(tmp_path, two, output, message):
    file = classifier(tmp_path / "a.onnx", heads=HEADS)
    with pytest.raises(WrongInput, match=message) as caught:
        plan_addition(ask(file, two, output=output))
    assert "colour (2), form (3)" in caught.value.remedy


def test_no_output_fits(tmp_path, names):
    with pytest.raises(WrongInput, match="none of its outputs is for 5 classes"):
        plan_addition(ask(classifier(tmp_path / "a.onnx", heads=HEADS), names))


def test_several_outputs_on_a_board(tmp_path, two):
    """nnrun is told the blob's name; the other head has no labels, and is shown by number."""
    add(ask(classifier(tmp_path / "a.onnx", heads={"form": 3, "colour": 2}), two))
    conversion, rules = convert_model(load_model("mine")), load_model("mine")
    assert (rules.output, find_class_output(conversion, rules)) == ("colour", 1)
    mine = resolve_classes(conversion, rules, PredictOptions())
    assert (mine.classes, mine.labelled) == ("out1", True)
    line = nnrun_flags(rules, mine)
    assert line[line.index("--classes") + 1] == "out1"
    assert line[line.index("--activation") + 1] == "softmax"
    for name in ("form", "out0"):
        other = msgspec.structs.replace(rules, output=name, activation="auto")
        classes = resolve_classes(conversion, other, PredictOptions())
        assert (classes.classes, classes.labelled) == ("out0", False)
        assert "--labels" not in nnrun_flags(other, classes)
