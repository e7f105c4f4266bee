"""mIoU against figures worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from piyard.core.errors import WrongInput
from piyard.evaluate.semantic import ClassCounts, picture_classes, segmentation_figures
from piyard.vision.predictions import Frame, PredictedObject, encode_mask

PICTURE, FILE = Path("a.jpg"), Path("a.png")


def answer(classes: np.ndarray) -> Frame:
    """What a net that gives these classes would have in nnrun's log."""
    regions = [
        PredictedObject(
            class_=int(each), score=1, box=(0, 0, 1, 1), mask=encode_mask(classes == each)
        )
        for each in np.unique(classes)
        if each >= 0
    ]
    height, width = classes.shape
    return Frame(name="a", width=width, height=height, objects=regions)


def figures(truth: list[list[int]], predicted: list[list[int]], classes: int = 3):
    maps = {PICTURE: np.array(truth)}
    frames = {PICTURE: answer(np.array(predicted))}
    return segmentation_figures(maps, {PICTURE: FILE}, frames, classes)


def test_all_right():
    assert figures([[0, 1], [2, 2]], [[0, 1], [2, 2]]) == {"mIoU": 100, "pixel accuracy": 100}


def test_by_hand():
    """Class 0: 1 of 2 pixels of the union; class 1: 1 of 3; class 2 of neither: left out."""
    result = figures([[0, 0], [1, 1]], [[0, 1], [1, -1]])
    assert result["mIoU"] == pytest.approx(100 * (1 / 2 + 1 / 3) / 2)
    assert result["pixel accuracy"] == pytest.approx(50)


def test_a_class_that_is_only_given_counts_as_wrong():
    assert figures([[0, 0]], [[0, 2]])["mIoU"] == pytest.approx(100 * (1 / 2 + 0) / 2)


def test_what_is_of_no_class_is_not_judged():
    assert figures([[0, 255]], [[0, 2]]) == {"mIoU": 100, "pixel accuracy": 100}
    assert figures([[255, 255]], [[0, 2]]) == {"mIoU": None, "pixel accuracy": None}


def test_pictures_are_summed_and_not_averaged():
    counts = ClassCounts(2)
    counts.add(np.zeros((1, 3), int), np.zeros((1, 3), int))
    counts.add(np.zeros((1, 1), int), np.ones((1, 1), int))
    assert counts.figures()["mIoU"] == pytest.approx(100 * (3 / 4 + 0) / 2)


def test_regions_are_put_together():
    classes = np.array([[0, 1, 1], [-1, 2, 0]])
    assert np.array_equal(picture_classes(answer(classes).objects, (2, 3)), classes)


@pytest.mark.parametrize(
    ("truth", "words"),
    [([[0, 1, 1]], "3x1 pixels, and its picture 2x1"), ([[0, 7]], "class 7, and the model")],
)
def test_a_map_that_is_not_the_pictures_is_refused(truth, words):
    with pytest.raises(WrongInput, match=words):
        figures(truth, [[0, 1]])
