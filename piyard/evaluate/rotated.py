"""mAP of rotated boxes: right as DOTA's devkit has it, averaged as COCO has it.

A detection belongs to the object of its class that it overlaps most, as polygons (github.com/
CAPTAIN-WHU/DOTA_devkit, dota_evaluation_task1.py). Above the threshold it is right if no better
one was, and wrong if one was; of a difficult object it is neither. The precision is the mean over
101 recalls, of mAP over the thresholds 0.5, 0.55 ... 0.95 too; the devkit has one threshold, 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from piyard.data.dataset import Annotation
from piyard.evaluate.intervals import (
    CategoryDetections,
    Interval,
    mean_precision,
    resample_intervals,
)
from piyard.vision.predictions import PredictedObject
from piyard.vision.rotated import polygon_iou, rotated_corners

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles


class RotatedScene(msgspec.Struct, frozen=True, kw_only=True):
    """The objects in the pictures, and which class of the model each class of the data is."""

    truth: Mapping[Path, Sequence[Annotation]]
    category: Mapping[int, int]
    """Class of the model → class of the data."""


class PictureDetections(NamedTuple):
    """The detections of one class in one picture, best first."""

    scores: Doubles
    right: Doubles
    """(thresholds, detections): 1 where a detection is right."""
    wrong: Doubles
    """The same of those that are wrong."""
    truths: int
    """Objects that are not difficult."""


def rotated_figures_with_intervals(
    scene: RotatedScene, answers: Mapping[Path, Sequence[PredictedObject]]
) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """mAP and mAP50 in percent, None where there is nothing to judge; and 95 % intervals."""
    import numpy as np

    categories = [
        category
        for number in sorted(set(scene.category.values()))
        if (category := _detections_of(scene, answers, number)).truths.any()
    ]
    if not categories:
        return {"mAP": None, "mAP50": None}, {}
    recalls = np.linspace(0, 1, 101)
    figures = mean_precision(categories, np.ones(len(answers)), recalls)
    named = dict(zip(("mAP", "mAP50"), (100 * value for value in figures), strict=True))
    return {**named}, resample_intervals(categories, len(answers), recalls, figures)


def _detections_of(
    scene: RotatedScene, answers: Mapping[Path, Sequence[PredictedObject]], number: int
) -> CategoryDetections:
    """Those of one class of the data, over all pictures."""
    import numpy as np

    pictures = [
        judge_picture(
            [each for each in scene.truth[path] if each.class_ == number],
            [each for each in objects if scene.category.get(each.class_) == number],
        )
        for path, objects in answers.items()
    ]
    scores = np.concatenate([each.scores for each in pictures])
    order = np.argsort(-scores, kind="mergesort")
    lengths = [len(each.scores) for each in pictures]
    return CategoryDetections(
        right=np.concatenate([each.right for each in pictures], axis=1)[:, order],
        wrong=np.concatenate([each.wrong for each in pictures], axis=1)[:, order],
        picture=np.repeat(np.arange(len(pictures)), lengths)[order],
        truths=np.array([each.truths for each in pictures], np.float64),
    )


def judge_picture(
    truth: Sequence[Annotation], detections: Sequence[PredictedObject]
) -> PictureDetections:
    """Which of these detections of one class are right, at each threshold."""
    import numpy as np

    thresholds = np.linspace(0.5, 0.95, 10)
    ranked = sorted((each for each in detections if each.rotated), key=lambda each: -each.score)
    easy = np.array([not each.difficult for each in truth], np.bool_)
    nearest, overlap = _nearest_objects(truth, ranked)
    right, wrong = (np.zeros((len(thresholds), len(ranked))) for _ in range(2))
    for row, threshold in enumerate(thresholds):
        taken = np.zeros(len(truth), np.bool_)
        for at in range(len(ranked)):
            meets = overlap[at] > threshold
            if meets and not easy[nearest[at]]:
                continue
            hit = meets and not taken[nearest[at]]
            (right if hit else wrong)[row, at] = 1
            if hit:
                taken[nearest[at]] = True
    scores = np.array([each.score for each in ranked], np.float64)
    return PictureDetections(scores, right, wrong, int(easy.sum()))


def _nearest_objects(
    truth: Sequence[Annotation], ranked: Sequence[PredictedObject]
) -> tuple[list[int], list[float]]:
    """Of each detection the object that it overlaps most, and by how much; 0 of none."""
    import numpy as np

    if not truth:
        return [0] * len(ranked), [0.0] * len(ranked)
    objects = np.array([each.corners for each in truth], np.float64).reshape(-1, 4, 2)
    boxes = np.array([each.rotated for each in ranked], np.float64).reshape(-1, 5)
    overlap = polygon_iou(objects, rotated_corners(boxes))
    return overlap.argmax(axis=0).tolist(), overlap.max(axis=0).tolist()
