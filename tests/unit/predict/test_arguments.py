"""A model's YAML → nnrun's flags."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from piyard.core.errors import WrongInput
from piyard.models.definition import Model, load_model, model_names
from piyard.predict.command import PredictOptions, net_flags, nnrun_flags
from piyard.vision.flags import head_flags
from piyard.vision.head_schema import Fcos, Heatmap, Nanodet, Rtmdet, Simcc, Yolov8, Yolox

FILES = {"--param", "--bin", "--head-param", "--head-bin"}
SWITCHES = {"--one-to-one"}
FINDERS = [name for name in model_names() if load_model(name).detector]


def flags(name: str, **options: Any) -> dict[str, str]:
    """Flag → value; every flag takes one, but for those that say yes or no."""
    argv = nnrun_flags(load_model(name), PredictOptions(**{"init": (1.0, 2.0, 3.0, 4.0)} | options))
    argv = [word for word in argv if word not in SWITCHES]
    pairs = dict(zip(argv[::2], argv[1::2], strict=True))
    assert 2 * len(pairs) == len(argv)
    return pairs


@pytest.mark.parametrize("name", model_names())
def test_every_model_has_a_verb_and_flags_in_pairs(name: str) -> None:
    result = flags(name, threads=3, precision="fp16")
    assert all(flag.startswith("--") for flag in result)
    assert not any(value.startswith("--") for value in result.values())
    assert result["--param"] == "model.ncnn.param"
    assert (result["--threads"], result["--precision"]) == ("3", "fp16")
    assert load_model(name).spec.nnrun_verb(None)[0] == load_model(name).task


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (
            Yolov8(score=0.3, nms=0.7, most=100),
            "yolov8 --strides 8,16,32 --bins 16 --score 0.3 --nms 0.7 --most 100",
        ),
        (Yolox(strides=(8,)), "yolox --strides 8 --score 0.25 --nms 0.45 --most 300"),
        (Nanodet(), "nanodet --strides 8,16,32 --bins 8 --score 0.25 --nms 0.45 --most 300"),
        (Rtmdet(), "rtmdet --strides 8,16,32 --score 0.25 --nms 0.45 --most 300"),
        (Fcos(score=0.001), "fcos --strides 8,16,32 --score 0.001 --nms 0.45 --most 300"),
        (Simcc(split=2.5), "simcc --split 2.5"),
        (Heatmap(), "heatmap"),
    ],
)
def test_heads(head: Any, expected: str) -> None:
    assert " ".join(head_flags(head)) == f"--head {expected}"


def test_classify_tells_as_many_classes_as_were_asked_for() -> None:
    result = flags("squeezenet1_1", topk=3, raw="outputs")
    assert (result["--topk"], result["--save-outputs"]) == ("3", "outputs")
    assert "--head" not in result


@pytest.mark.parametrize("name", FINDERS)
def test_a_pose_model_brings_the_flags_of_the_net_that_finds_people(name: str) -> None:
    result = flags(name)
    finder = load_model(load_model(name).detector)
    of_finder = {
        flag.removeprefix("--detector-"): value
        for flag, value in result.items()
        if flag.startswith("--detector-")
    }
    own = net_flags(finder, "detector")
    assert of_finder == {flag[2:]: value for flag, value in pairwise(own) if flag[:2] == "--"}
    assert (of_finder["param"], result["--param"]) == ("detector.ncnn.param", "model.ncnn.param")


def test_many_objects_are_followed_by_the_yamls_figures() -> None:
    result = flags("yolov8_n_bytetrack", fps=25.0)
    rules = load_model("yolov8_n_bytetrack")
    assert rules.spec.nnrun_verb(rules.tracker) == ["track", "mot"]
    assert result["--fps"] == "25.0"
    assert {flag for flag in result if flag.startswith("--track-")} == {
        f"--track-{each}" for each in ("high", "low", "new", "match", "buffer")
    }


def test_one_object_is_followed_from_where_it_is() -> None:
    rules = load_model("nanotrack")
    assert rules.spec.nnrun_verb(rules.tracker) == ["track", "sot"]
    result = flags("nanotrack", init=(10.5, 20.0, 30.0, 40.0))
    assert result["--init"] == "10.5,20,30,40"
    assert result["--head-param"] == "head.ncnn.param"
    with pytest.raises(WrongInput, match="none was given"):
        nnrun_flags(rules, PredictOptions())


def test_a_model_without_labels_names_no_file_of_them() -> None:
    assert "--labels" not in flags("nanotrack")
    assert flags("yolov8_n")["--labels"] == "labels.txt"


def test_drawing_is_asked_for_by_name() -> None:
    result = flags("yolov8_n", drawn="outputs")
    assert result["--draw"] == "outputs"
    assert flags("yolov8_n", film="film.mjpeg")["--mjpeg"] == "film.mjpeg"
    assert not {"--draw", "--mjpeg"} & set(flags("yolov8_n"))


def test_figures_are_written_without_loss() -> None:
    rules: Model = load_model("yolov8_n")
    assert isinstance(rules.head, Yolov8)
    head = msgspec.structs.replace(rules.head, score=0.1 + 0.2)
    argv = nnrun_flags(msgspec.structs.replace(rules, head=head), PredictOptions())
    assert float(argv[argv.index("--score") + 1]) == 0.1 + 0.2
