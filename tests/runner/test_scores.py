"""nnrun's scores are those of the desktop, however a net ends, and no softmax is taken twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from piyard.convert.output_kinds import layer_output_kind
from piyard.convert.param import read_param
from piyard.vision.tasks.classify import best_classes, class_scores, resolve_activation
from tests.runner.nets import Net
from tests.runner.outcome import Run, assert_refused
from tests.runner.pictures import noise

LOGITS = np.array([1.5, -0.25, 0.75, -2.0], np.float32)


def net(*layers: tuple[str, str], logits: np.ndarray = LOGITS) -> Net:
    """A picture of 8 by 8 → these logits, whatever it shows → the layers."""
    count = len(logits)
    result = Net().add("Input", "in0").add("Flatten", "flat")
    result.add("InnerProduct", "logits", f"0={count} 1=1 2={192 * count}")
    result.tagged(np.zeros(192 * count)).raw(logits)
    for number, (kind, settings) in enumerate(layers):
        result.add(kind, f"out{number}", settings)
    return result


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values.astype(float))
    result: np.ndarray = powers / powers.sum()
    return result


def sigmoid(values: np.ndarray) -> np.ndarray:
    result: np.ndarray = 1 / (1 + np.exp(-values.astype(float)))
    return result


ENDS = {
    "logits": ([], softmax(LOGITS)),
    "softmax": ([("Softmax", "0=0 1=1")], softmax(LOGITS)),
    "reshaped softmax": ([("Softmax", "0=0 1=1"), ("Reshape", "0=4 1=1")], softmax(LOGITS)),
    "clipped softmax": ([("Softmax", "0=0 1=1"), ("Clip", "0=0.0 1=1.0")], softmax(LOGITS)),
    "log-softmax": ([("Softmax", "0=0 1=1"), ("UnaryOp", "0=8")], softmax(LOGITS)),
    "sigmoids": ([("Sigmoid", "")], sigmoid(LOGITS)),
    "log-sigmoids": ([("Sigmoid", ""), ("UnaryOp", "0=8")], sigmoid(LOGITS)),
    "one minus sigmoids": ([("Sigmoid", ""), ("BinaryOp", "0=7 1=1 2=1.0")], 1 - sigmoid(LOGITS)),
    "the log of something else": ([("UnaryOp", "0=7"), ("UnaryOp", "0=8")], softmax(LOGITS)),
}


def classified(nnrun: Run, net: Net, at: Path, *flags: str, names: int = 0) -> dict[int, float]:
    """Class → score, best first, as nnrun and the desktop agree on."""
    noise(8, 8).save(at / "a.png")
    labels = at / "labels.txt"
    labels.write_text("".join(f"class {i}\n" for i in range(names)))
    named = ["--labels", str(labels)] if names else []
    files = net.write(at)
    fixed = ["--precision", "fp32", "--topk", "9", "--save-outputs", str(at)]
    line = nnrun("classify", *files, *fixed, *named, *flags, at / "a.png").line("classification")
    result = {hit["index"]: hit["score"] for hit in line["top"]}
    raw = np.fromfile(line["output"]["file"], "<f4")
    ends = layer_output_kind(read_param(Path(files[1])), line["output"]["name"])
    request = flags[flags.index("--activation") + 1] if "--activation" in flags else "auto"
    how = resolve_activation(request, ends, raw.size)
    here = class_scores(raw, how, names or raw.size)
    assert line["activation"] == how
    assert list(result) == best_classes(here, 9)
    np.testing.assert_allclose(list(result.values()), here[list(result)], rtol=1e-6, atol=1e-12)
    return result


@pytest.mark.parametrize("name", ENDS)
def test_scores_by_how_the_net_ends(nnrun: Run, tmp_path, name):
    layers, expected = ENDS[name]
    result = classified(nnrun, net(*layers), tmp_path)
    np.testing.assert_allclose([result[i] for i in range(4)], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("softmax", softmax(LOGITS)), ("sigmoid", sigmoid(LOGITS)), ("exp", np.exp(LOGITS))],
)
def test_scores_as_asked_for(nnrun: Run, tmp_path, activation, expected):
    """Of a net of several labels a picture, each score is a sigmoid for itself."""
    result = classified(nnrun, net(), tmp_path, "--activation", activation)
    np.testing.assert_allclose([result[i] for i in range(4)], expected, rtol=1e-5)


def test_none_leaves_them_as_they_are(nnrun: Run, tmp_path):
    result = classified(nnrun, net(), tmp_path, "--activation", "none")
    assert list(result) == [0, 2, 1, 3]
    assert result[3] == -2


@pytest.mark.parametrize("layers", [[], [("Sigmoid", "")], [("Sigmoid", ""), ("UnaryOp", "0=8")]])
@pytest.mark.parametrize("logit", [1.25, -1.25, 0.0])
def test_one_value_tells_two_classes_apart(nnrun: Run, tmp_path, layers, logit):
    result = net(*layers, logits=np.array([logit], np.float32))
    yes = float(sigmoid(np.array([logit]))[0])
    detected = classified(nnrun, result, tmp_path, names=2)
    assert detected[1] == pytest.approx(yes, rel=1e-5)
    assert detected[0] == pytest.approx(1 - yes, rel=1e-5)
    assert next(iter(detected)) == (1 if logit > 0 else 0)


@pytest.mark.parametrize("names", [0, 1])
def test_one_value_of_one_class(nnrun: Run, tmp_path, names):
    result = net(logits=np.array([1.25], np.float32))
    assert classified(nnrun, result, tmp_path, names=names) == {
        0: pytest.approx(float(sigmoid(np.array([1.25]))[0]), rel=1e-6)
    }


def test_equal_scores_come_by_number(nnrun: Run, tmp_path):
    result = net(logits=np.array([0, 3, 3, 0], np.float32))
    assert list(classified(nnrun, result, tmp_path)) == [1, 2, 0, 3]


def test_the_softmax_of_one_value_is_refused(nnrun: Run, tmp_path):
    noise(8, 8).save(tmp_path / "a.png")
    flags = [*net(logits=LOGITS[:1]).write(tmp_path), "--activation", "softmax"]
    assert_refused(nnrun("classify", *flags, tmp_path / "a.png"), 4, "always 1", "sigmoid")


def two_heads() -> Net:
    result = net().add("Split", "left right")
    result.add("Softmax", "colour", "0=0 1=1", bottoms=["left"])
    return result.add("UnaryOp", "form", "0=7", bottoms=["right"])


def test_of_several_outputs_one_has_the_classes(nnrun: Run, tmp_path):
    result = classified(nnrun, two_heads(), tmp_path, "--classes", "colour")
    np.testing.assert_allclose([result[i] for i in range(4)], softmax(LOGITS), rtol=1e-5)
    other = classified(nnrun, two_heads(), tmp_path, "--classes", "form")
    np.testing.assert_allclose([other[i] for i in range(4)], softmax(np.exp(LOGITS)), rtol=1e-5)


@pytest.mark.parametrize("flags", [[], ["--classes", "size"]])
def test_several_outputs_are_named(nnrun: Run, tmp_path, flags):
    noise(8, 8).save(tmp_path / "a.png")
    line = ["classify", *two_heads().write(tmp_path), *flags, tmp_path / "a.png"]
    assert_refused(nnrun(*line), 2, "colour, form", "--classes")
