"""mAP of rotated boxes by hand: who is right, what is difficult, and the same in every format."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from piyard.data.dataset import Annotation, box_around
from piyard.evaluate.dataset import compute_metrics, read_dataset
from piyard.evaluate.rotated import RotatedScene, judge_picture, rotated_figures_with_intervals
from piyard.models.definition import Model, load_model
from piyard.vision.predictions import Frame, PredictedObject, RotatedBox
from piyard.vision.rotated import rotated_corners

NAMES = ["plane", "ship"]
TILT = pi / 6
FIRST, SECOND = (20.0, 20.0, 10.0, 10.0, TILT), (60.0, 20.0, 10.0, 10.0, TILT)
WHOLE, HALF = (51 + 50 * 2 / 3) / 101, 51 / 101
"""Average precisions: right, wrong, right of two; and right, wrong, wrong of two."""


def truth(box: RotatedBox, class_: int = 0, *, difficult: bool = False) -> Annotation:
    a, b, c, d, e, f, g, h = rotated_corners(np.array([box])).ravel().tolist()
    around = box_around([a, b, c, d, e, f, g, h])
    return Annotation(
        class_=class_,
        box=around,
        size=(around[2] - around[0], around[3] - around[1]),
        area=box[2] * box[3],
        corners=(a, b, c, d, e, f, g, h),
        difficult=difficult,
    )


def find(box: RotatedBox, score: float, class_: int = 0) -> PredictedObject:
    return PredictedObject(class_=class_, score=score, box=(0, 0, 1, 1), rotated=box)


def figures(
    objects: Sequence[Annotation], answers: Sequence[PredictedObject]
) -> dict[str, float | None]:
    path = Path("a.png")
    scene = RotatedScene(truth={path: objects}, category={0: 0, 1: 1})
    return rotated_figures_with_intervals(scene, {path: answers})[0]


def narrower(box: RotatedBox, share: float) -> RotatedBox:
    """One whose overlap with it is that share."""
    return (box[0], box[1], share * box[2], box[3], box[4])


ANSWERS = [
    find(FIRST, 0.9),
    find(narrower(FIRST, 0.6), 0.8),
    find(narrower(SECOND, 0.72), 0.7),
]


def test_average_precision_by_hand() -> None:
    """The second one is wrong, as a better one took its object; the third up to 0.7 right."""
    assert figures([truth(FIRST), truth(SECOND)], ANSWERS) == {
        "mAP": pytest.approx(100 * (5 * WHOLE + 5 * HALF) / 10),
        "mAP50": pytest.approx(100 * WHOLE),
    }


def test_of_a_difficult_object_a_detection_is_neither_right_nor_wrong() -> None:
    objects = [truth(FIRST), truth(SECOND, difficult=True)]
    picture = judge_picture(objects, ANSWERS)
    assert picture.truths == 1
    assert picture.right[0].tolist() == [1, 0, 0]
    assert picture.wrong[0].tolist() == [0, 1, 0]
    assert picture.wrong[-1].tolist() == [0, 1, 1]
    assert figures(objects, ANSWERS)["mAP50"] == pytest.approx(100)


def test_a_detection_belongs_to_what_it_overlaps_most_even_where_that_is_taken() -> None:
    """As DOTA's devkit has it: the second is not tried with the object beside."""
    beside = (28.0, 20.0, 10.0, 10.0, 0.0)
    upright = (20.0, 20.0, 10.0, 10.0, 0.0)
    between = find((21.0, 20.0, 20.0, 10.0, 0.0), 0.8)
    picture = judge_picture([truth(upright), truth(beside)], [find(upright, 0.9), between])
    assert picture.right[0].tolist() == [1, 0]


def test_an_angle_counts() -> None:
    long = (40.0, 40.0, 40.0, 4.0, 0.0)
    turned = (40.0, 40.0, 40.0, 4.0, pi / 4)
    assert figures([truth(long)], [find(long, 0.9)])["mAP"] == pytest.approx(100)
    assert figures([truth(long)], [find(turned, 0.9)])["mAP50"] == 0


def test_the_mean_is_over_classes_that_are_there() -> None:
    objects = [truth(FIRST), truth(SECOND, class_=1)]
    answers = [find(FIRST, 0.9), find(FIRST, 0.8, class_=1)]
    assert figures(objects, answers)["mAP50"] == pytest.approx(50)
    assert figures(objects[:1], answers)["mAP50"] == pytest.approx(100)
    assert figures([], answers) == {"mAP": None, "mAP50": None}


@pytest.fixture
def model() -> Model:
    return load_model("yolo11_n_obb")


def test_the_same_figure_in_both_formats(tmp_path: Path, model: Model) -> None:
    random = np.random.default_rng(5)
    truths, answers = {}, []
    for number in range(8):
        boxes = [
            (*random.uniform(30, 90, 2), *random.uniform(10, 30, 2), random.uniform(0, pi / 2))
            for _ in range(3)
        ]
        truths[f"{number:03d}"] = [truth(box, at % 2) for at, box in enumerate(boxes)]
        shaken = [(*(np.array(box) + random.normal(0, 2, 5) * (1, 1, 1, 1, 0.1)),) for box in boxes]
        answers.append(
            [find(box, float(random.uniform(0.1, 1)), at % 2) for at, box in enumerate(shaken)]
        )
    computed = []
    for write in (write_dota, write_yolo):
        data = read_dataset(write(tmp_path / write.__name__, truths), model, NAMES)
        frames = [
            Frame(name=str(path), width=128, height=128, objects=objects)
            for path, objects in zip(data.pictures, answers, strict=True)
        ]
        computed.append(compute_metrics(data, [frames]))
    assert computed[0].figures == pytest.approx(computed[1].figures, abs=0.2)
    low, high = computed[0].intervals["mAP50"]
    assert low < (computed[0].figures["mAP50"] or 0) < high


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (128, 128)).save(path)


def write_dota(folder: Path, truths: dict[str, list[Annotation]]) -> Path:
    (folder / "labelTxt").mkdir(parents=True)
    for stem, objects in truths.items():
        _picture(folder / "images" / f"{stem}.png")
        lines = [
            " ".join(f"{at:.4f}" for at in each.corners or ())
            + f" {('plane', 'ship')[each.class_]} 0"
            for each in objects
        ]
        (folder / "labelTxt" / f"{stem}.txt").write_text("gsd:1\n" + "\n".join(lines) + "\n")
    return folder


def write_yolo(folder: Path, truths: dict[str, list[Annotation]]) -> Path:
    (folder / "labels" / "val").mkdir(parents=True)
    (folder / "data.yaml").write_text("val: images/val\nnames: [plane, ship]\n")
    for stem, objects in truths.items():
        _picture(folder / "images" / "val" / f"{stem}.png")
        lines = [
            f"{each.class_} " + " ".join(f"{at / 128:.8f}" for at in each.corners or ())
            for each in objects
        ]
        (folder / "labels" / "val" / f"{stem}.txt").write_text("\n".join(lines) + "\n")
    return folder
