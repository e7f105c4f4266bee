"""Answers on this machine, from nets that say what they are told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from piyard.convert.proof_inputs import make_net
from piyard.data.dataset import DataSet, Film
from piyard.evaluate.dataset import JudgedData
from piyard.evaluate.evaluation import predict_dataset
from piyard.models.definition import Model, load_model, read_labels
from piyard.vision.head_schema import Dense
from piyard.vision.tasks.base import Net, Predictor
from piyard.vision.tasks.classify import TOP_CLASSES

SIZE = (64, 64)


def small(name: str, **head: Any) -> Model:
    """That model with an input of 64 by 64, and other thresholds."""
    rules = load_model(name)
    changed = msgspec.structs.replace(rules.head, **head) if isinstance(rules.head, Dense) else None
    return msgspec.structs.replace(rules, input=(3, *SIZE), head=changed or rules.head)


def rtmdet(*objects: tuple[int, int, float]) -> list[Any]:
    """Outputs of a head with one class at strides 8, 16, 32: boxes of 8 pixels at places."""
    maps = [np.zeros((5, 64 // stride, 64 // stride), np.float32) for stride in (8, 16, 32)]
    for each in maps:
        each[0] = -20
    for row, column, logit in objects:
        maps[0][:, row, column] = (logit, 4, 4, 4, 4)
    return maps


def finder(*objects: tuple[int, int, float]) -> Net:
    return make_net(small("rtmdet_nano_person", score=0.1), lambda *_: rtmdet(*objects))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (128, 128), (90, 80, 70)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_classes_come_best_first_with_their_labels(picture: Path) -> None:
    scores = np.zeros(1000, np.float32)
    scores[[7, 3, 9]] = (0.5, 0.9, 0.1)
    rules = load_model("squeezenet1_1")
    net = make_net(rules, lambda *_: [scores])
    top = Predictor(net=net).predict_picture(picture).top
    assert [hit.index for hit in top[:3]] == [3, 7, 9]
    assert top[0].label == read_labels(rules)[3]
    assert len(top) == TOP_CLASSES


def test_the_net_is_fed_what_its_yaml_says(picture: Path) -> None:
    fed: list[Any] = []

    def compute(*values: Any) -> list[Any]:
        fed.extend(values)
        return [np.zeros(1000, np.float32)]

    rules = load_model("squeezenet1_1")
    Predictor(net=make_net(rules, compute)).predict_picture(picture)
    (values,) = fed
    expected = [
        (level - mean) * norm
        for level, mean, norm in zip(
            (90, 80, 70), rules.preprocess.mean, rules.preprocess.norm, strict=True
        )
    ]
    assert values.shape == rules.input
    assert values[:, 0, 0] == pytest.approx(expected, rel=1e-6)


def test_objects_are_told_in_pixels_of_the_picture(picture: Path) -> None:
    frame = Predictor(net=finder((2, 3, 3.0), (6, 6, 1.0))).predict_picture(picture)
    assert (frame.width, frame.height) == (128, 128)
    best, second = frame.objects
    assert best.label == "person"
    assert best.score > second.score
    x0, y0, x1, y1 = best.box
    # The input is half as large as the picture; the place is at 24, 16 there.
    assert (x1 - x0, y1 - y0) == pytest.approx((16, 16))
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((48, 32))


def test_keypoints_are_looked_for_where_the_detector_finds_somebody(picture: Path) -> None:
    rules = load_model("simplepose")
    shown = []

    def compute(values: Any) -> list[Any]:
        shown.append(values.shape)
        maps = np.zeros((17, 64, 48), np.float32)
        maps[:, 32, 24] = 0.8
        return [maps]

    pose = make_net(rules, compute)
    seer = Predictor(net=pose, detector=finder((2, 3, 3.0), (6, 6, 1.0)))
    people = seer.predict_picture(picture).objects
    assert shown == [rules.input] * 2
    for person in people:
        x0, y0, x1, y1 = person.box
        assert person.keypoints
        assert len(person.keypoints) == 17
        for x, y, score in person.keypoints:
            assert x0 < x < x1
            assert y0 < y < y1
            assert score == pytest.approx(0.8)
    assert Predictor(net=pose, detector=finder()).predict_picture(picture).objects == []


def test_who_is_who_from_frame_to_frame(picture: Path) -> None:
    rules = small("yolov8_n_bytetrack")
    detector = finder((2, 3, 5.0), (6, 6, 5.0))
    followed = msgspec.structs.replace(rules, head=detector.outputs, preprocess=detector.preprocess)
    net = make_net(followed, detector.compute)
    film = Film(pictures=[picture] * 3, truth={}, ordered=True)
    source = DataSet(format="mot", kind="tracks", name="x", root=picture, films=[film, film])
    data = JudgedData(data=source, films=source.films)
    films = predict_dataset(Predictor(net=net), data, "a title")
    assert [len(frames) for frames in films] == [3, 3]
    ids = [[each.id for each in frame.objects] for frame in films[0]]
    assert ids[1] == ids[2]
    assert len(set(ids[2])) == 2
    # Another clip has other people.
    assert [[each.id for each in frame.objects] for frame in films[1]] == ids
