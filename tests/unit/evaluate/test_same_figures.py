"""The same pictures and answers give the same figure, whatever format the truth comes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from piyard.core.errors import WrongInput
from piyard.data.coco import read_coco
from piyard.data.dataset import Annotation, DataSet, Film, box_around
from piyard.data.formats import open_data
from piyard.data.imagenet import read_imagenet
from piyard.data.request import DataRequest
from piyard.evaluate.dataset import JudgedData, Metrics, compute_metrics, read_dataset
from piyard.evaluate.metrics import coco_figures, run_cocoeval
from piyard.evaluate.scene import make_scene
from piyard.models.definition import load_model
from piyard.vision.predictions import ClassScore, Frame, PredictedObject, encode_mask
from piyard.vision.tasks import find_task
from tests.support.data_exports import EXPORTS, to_class_folders, to_coco, to_voc, to_yolo
from tests.support.data_sets import listed, pictures

LABELS = ["cat", "dog", "person"]
SIZE = (120, 80)
KEYPOINTS = 17


def drawn(folder: Path, kind: Any = "box", *, classes: Sequence[str] = LABELS) -> DataSet:
    """Twelve pictures, one of them empty, with objects in whole pixels."""
    random = np.random.default_rng(7)
    paths = [folder / f"{number:03d}.jpg" for number in range(12)]
    folder.mkdir(parents=True)
    truth: dict[Path, list[Annotation]] = {}
    for number, path in enumerate(paths):
        Image.new("RGB", SIZE, (number, 0, 0)).save(path)
        truth[path] = [_object(random, kind, len(classes)) for _ in range(number % 5)]
    return DataSet(
        format="made",
        kind=kind,
        name="made",
        root=folder,
        classes=classes,
        films=[Film(pictures=paths, truth=truth)],
    )


def _object(random: np.random.Generator, kind: str, classes: int) -> Annotation:
    x0, y0 = (int(random.integers(0, side - 40)) for side in SIZE)
    width, height = (int(random.integers(12, 40)) for _ in range(2))
    points = [x0, y0, x0 + width, y0, x0 + width // 2, y0 + height]
    area = width * height / 2 if kind == "outline" else width * height
    return Annotation(
        class_=int(random.integers(0, classes)),
        box=box_around([*map(float, points)]),
        size=(width, height),
        area=area,
        outline=[points] if kind == "outline" else None,
        keypoints=[
            (float(x0 + i % width), float(y0 + i % height), float(i % 3)) for i in range(KEYPOINTS)
        ]
        if kind == "keypoints"
        else None,
    )


def answers(source: DataSet, noise: float = 1.5) -> dict[str, list[PredictedObject]]:
    """What is there, a little off, some of it missed, some taken for another class."""
    random = np.random.default_rng(11)
    return {
        path.name: [
            _answer(each, random, len(source.classes), noise)
            for each in truth
            if random.uniform() > 0.15
        ]
        for path, truth in source
    }


def _answer(
    each: Annotation, random: np.random.Generator, classes: int, noise: float
) -> PredictedObject:
    x0, y0, x1, y1 = (side + float(random.normal(0, noise)) for side in each.box)
    wrong = int(random.uniform() < 0.2)
    points = each.keypoints
    mask = np.zeros(SIZE[::-1], bool)
    mask[round(y0) : round((y0 + y1) / 2), round(x0) : round(x1)] = True
    return PredictedObject(
        class_=(each.class_ + wrong) % classes,
        score=float(random.uniform(0.1, 1)),
        box=(x0, y0, x1, y1),
        mask=encode_mask(mask) if each.outline else None,
        keypoints=[(x + noise, y, 0.9) for x, y, _ in points] if points else None,
    )


def judged(data: JudgedData, predicted: dict[str, list[PredictedObject]]) -> Metrics:
    frames = [
        Frame(name=path.name, width=1, height=1, objects=predicted[path.name])
        for path in data.pictures
    ]
    return compute_metrics(data, [frames])


def figures(
    path: Path,
    model: str,
    predicted: dict[str, list[PredictedObject]],
    labels: Sequence[str] | None = None,
) -> dict[str, float]:
    rules = load_model(model)
    data = read_dataset(path, rules, labels or ([] if rules.task == "pose" else LABELS))
    result = judged(data, predicted).figures
    return {name: value for name, value in result.items() if value is not None}


@pytest.mark.parametrize("form", EXPORTS)
def test_boxes(tmp_path: Path, form: str) -> None:
    source = drawn(tmp_path / "drawn")
    result = answers(source)
    truth = figures(to_coco(source, tmp_path / "first"), "yolov8_n", result)
    assert 20 < truth["mAP"] < truth["mAP50"] < 95
    path = EXPORTS[form](source, tmp_path / "other")
    assert open_data(DataRequest(path=path, kind="box")).format == form
    assert figures(path, "yolov8_n", result) == pytest.approx(truth, abs=1e-9)


def test_boxes_of_real_pictures(assets: Path, tmp_path: Path) -> None:
    """Of COCO's 79 pictures, without crowds, which only COCO has; VOC's boxes in whole pixels."""
    source = read_coco(DataRequest(path=assets / "data" / "coco_mini_val"))
    exact, whole = (_changed(source, change) for change in (_box_alone, _in_whole_pixels))
    result = answers(exact, noise=6)
    detected = {
        (which, form): mean_precision(
            EXPORTS[form](data, tmp_path / which / form), source.classes, result
        )
        for which, data in (("exact", exact), ("whole", whole))
        for form in EXPORTS
    }
    assert 10 < detected["whole", "coco"] < 90
    assert len({round(detected["whole", form], 9) for form in EXPORTS}) == 1
    assert detected["exact", "yolo"] == pytest.approx(detected["exact", "coco"], abs=1e-9)
    assert detected["exact", "voc"] == pytest.approx(detected["exact", "coco"], abs=0.5)


def mean_precision(
    path: Path, labels: Sequence[str], predicted: dict[str, list[PredictedObject]]
) -> float:
    data = read_dataset(path, load_model("yolov8_n"), labels)
    answered = {picture: predicted[picture.name] for picture in data.pictures}
    return coco_figures(run_cocoeval(data.films[0].truth, answered))["mAP"] or 0


def _changed(source: DataSet, change: Callable[[Annotation], Annotation]) -> DataSet:
    truth = {
        picture: [change(each) for each in objects if not each.crowd] for picture, objects in source
    }
    return msgspec.structs.replace(source, films=[Film(pictures=source.pictures, truth=truth)])


def _box_alone(each: Annotation) -> Annotation:
    return msgspec.structs.replace(each, outline=None, keypoints=None)


def _in_whole_pixels(each: Annotation) -> Annotation:
    x0, y0, x1, y1 = map(round, each.box)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    box, size = (x0, y0, x1, y1), (x1 - x0, y1 - y0)
    return msgspec.structs.replace(_box_alone(each), box=box, size=size)


def test_outlines(tmp_path: Path) -> None:
    source = drawn(tmp_path / "drawn", "outline")
    result = answers(source)
    truth = figures(to_coco(source, tmp_path / "coco"), "yolov8_n_seg", result)
    assert truth["mAP50"] > 10
    detected = figures(to_yolo(source, tmp_path / "yolo"), "yolov8_n_seg", result)
    assert detected == pytest.approx(truth, abs=1e-9)


def test_keypoints(tmp_path: Path) -> None:
    """YOLO has no area; COCO's is made the one that stands in for it."""
    source = drawn(tmp_path / "drawn", "keypoints", classes=["person"])
    result = answers(source)
    truth = figures(to_coco(source, tmp_path / "coco", pose=True), "yolov8_n_pose", result)
    assert 10 < truth["mAP"] < 95
    detected = figures(
        to_yolo(source, tmp_path / "yolo", more="kpt_shape: [17, 3]\n"), "yolov8_n_pose", result
    )
    assert detected == pytest.approx(truth, abs=1e-9)


def test_keypoints_of_another_number(tmp_path: Path) -> None:
    source = drawn(tmp_path / "drawn", "keypoints", classes=["box"])
    path = to_coco(source, tmp_path / "coco", pose=True)
    assert figures(path, "yolov8_n_pose", answers(source, noise=0), ["box"])["mAP"] > 50
    four = [
        [msgspec.structs.replace(each, keypoints=list(each.keypoints or ())[:4]) for each in truth]
        for _, truth in source
    ]
    film = Film(pictures=source.pictures, truth=dict(zip(source.pictures, four, strict=True)))
    less = msgspec.structs.replace(source, films=[film])
    path = to_yolo(less, tmp_path / "yolo", more="kpt_shape: [4, 3]\n")
    with pytest.raises(WrongInput, match="has 4 keypoints an object, and yolov8_n_pose finds 17"):
        figures(path, "yolov8_n_pose", {}, ["box"])
    data = open_data(DataRequest(path=path, kind="keypoints"))
    scene = make_scene(data, data.pictures, find_task("pose"), {0: 0})
    result = answers(less, noise=0)
    exact = {path: result[path.name] for path in data.pictures}
    assert coco_figures(run_cocoeval(scene, exact))["mAP50"] == pytest.approx(
        100 * sum(map(len, result.values())) / sum(map(len, four)), abs=2
    )


def test_parts_of_coco(tmp_path: Path) -> None:
    """A part by its name is judged as by itself."""
    source = drawn(tmp_path / "drawn")
    result = answers(source)
    (film,) = source.films
    halves = {"a": film.pictures[:6], "b": film.pictures[6:]}
    for name, half in halves.items():
        part = msgspec.structs.replace(source, films=[Film(pictures=half, truth=film.truth)])
        to_coco(part, tmp_path / "parts", part=name)
        to_coco(part, tmp_path / name)
    for name in halves:
        data = read_dataset(tmp_path / "parts", load_model("yolov8_n"), LABELS, split=name)
        alone = figures(tmp_path / name, "yolov8_n", result)
        assert judged(data, result).figures == pytest.approx(alone, abs=1e-9)


def test_difficult_objects_are_neither_hits_nor_misses(tmp_path: Path) -> None:
    """Whether they are found or not, the figure is that of the others."""
    source = drawn(tmp_path / "drawn")
    result = answers(source)
    (film,) = source.films
    marked = {
        path: [
            msgspec.structs.replace(each, difficult=number == 0)
            for number, each in enumerate(film.truth[path])
        ]
        for path in film.pictures
    }
    rest = {path: [each for each in truth if not each.difficult] for path, truth in marked.items()}
    whole, easy = (
        msgspec.structs.replace(source, films=[Film(pictures=film.pictures, truth=truth)])
        for truth in (marked, rest)
    )
    exact = {
        path.name: [
            PredictedObject(class_=each.class_, score=0.9, box=each.box) for each in marked[path]
        ]
        for path in film.pictures
    }
    path = to_voc(whole, tmp_path / "voc")
    assert figures(path, "yolov8_n", exact)["mAP"] == pytest.approx(100)
    missed = {
        name: [
            answer
            for answer, each in zip(answered, marked[tmp_path / "drawn" / name], strict=True)
            if not each.difficult
        ]
        for name, answered in exact.items()
    }
    assert figures(path, "yolov8_n", missed)["mAP"] == pytest.approx(100)
    assert (
        figures(to_voc(easy, tmp_path / "easy"), "yolov8_n", result)["mAP"]
        != figures(to_voc(source, tmp_path / "all"), "yolov8_n", result)["mAP"]
    )


def test_classes_of_pictures(tmp_path: Path) -> None:
    rows = [f"{i}.jpg,{i % 3},n" for i in range(9)]
    pictures(tmp_path / "list", *(f"{i}.jpg" for i in range(9)))
    source = read_imagenet(DataRequest(path=listed(tmp_path / "list", *rows)))
    to_class_folders(source, tmp_path / "folders", LABELS, split=".")
    to_class_folders(source, tmp_path / "splits", LABELS, split="val")
    to_class_folders(source, tmp_path / "splits", LABELS, split="train")
    result = []
    for name in ("list", "folders", "splits"):
        data = read_dataset(tmp_path / name, load_model("squeezenet1_1"), LABELS)
        frames = [
            Frame(
                name=path.name,
                width=1,
                height=1,
                top=[ClassScore(index=int(path.stem) % 2, score=1)],
            )
            for path in data.pictures
        ]
        result.append(compute_metrics(data, [frames]))
    assert result[0].figures["top-1"] == pytest.approx(100 * 4 / 9)
    assert result[0] == result[1] == result[2]


def test_what_rounding_to_whole_pixels_does(tmp_path: Path) -> None:
    """An edge moves by half a pixel at most: of large boxes mAP50 stays, mAP moves a little."""
    source = drawn(tmp_path / "drawn")
    (film,) = source.films
    moved = {
        path: [
            msgspec.structs.replace(
                each,
                box=(each.box[0] + 0.3, each.box[1] - 0.2, each.box[2] + 0.3, each.box[3] - 0.2),
            )
            for each in film.truth[path]
        ]
        for path in film.pictures
    }
    shifted = msgspec.structs.replace(source, films=[Film(pictures=film.pictures, truth=moved)])
    result = answers(shifted)
    exact = figures(to_coco(shifted, tmp_path / "coco"), "yolov8_n", result)
    whole = figures(to_voc(shifted, tmp_path / "voc"), "yolov8_n", result)
    assert whole["mAP50"] == pytest.approx(exact["mAP50"], abs=0.5)
    assert whole["mAP"] == pytest.approx(exact["mAP"], abs=5)
    assert read_coco(DataRequest(path=tmp_path / "coco")).kind == "box"
