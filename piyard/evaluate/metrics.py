"""mAP in percent by COCO's rules, as pycocotools computes it."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from piyard.core.errors import WrongInput
from piyard.core.parsing import JsonObject
from piyard.evaluate.intervals import Interval, bootstrap_intervals
from piyard.evaluate.scene import Scene
from piyard.vision.predictions import PredictedObject

COCO_KEYPOINTS = 17
"""A person's: pycocotools has tolerances for these. Of n other points each has 1 / n, as in
Ultralytics' own evaluation."""


def coco_figures(judged: Any) -> dict[str, float | None]:
    """mAP and mAP50 in percent of a COCOeval; None where nothing can be judged."""
    # pycocotools says -1 for the mean of nothing.
    values = zip(("mAP", "mAP50"), judged.stats, strict=False)
    return {name: 100 * float(value) if value >= 0 else None for name, value in values}


def coco_intervals(judged: Any) -> dict[str, Interval]:
    """Their 95 % intervals; none of many pictures, and where a figure is None."""
    return {} if None in coco_figures(judged).values() else bootstrap_intervals(judged)


def run_cocoeval(scene: Scene, answers: Mapping[Path, Sequence[PredictedObject]]) -> Any:
    """The COCOeval of the pictures that were answered for. Raises ``WrongInput``."""
    import numpy as np
    from pycocotools.cocoeval import COCOeval

    results = [
        result
        for path, objects in answers.items()
        for result in _coco_results(scene, path, objects)
    ]
    with _silence(), _explain_failure(scene.where):
        truth = _index_content(scene.content)
        # loadRes does not take an empty list.
        answered = (
            truth.loadRes(results)
            if results
            else _index_content(scene.content | {"annotations": []})
        )
        judged = COCOeval(truth, answered, scene.task.coco_type)
        if scene.keypoints not in {0, COCO_KEYPOINTS}:
            judged.params.kpt_oks_sigmas = np.full(scene.keypoints, 1 / scene.keypoints)
        judged.params.imgIds = sorted(scene.ids[path] for path in answers)
        judged.params.catIds = sorted(set(scene.category.values()))
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return judged


def _index_content(content: JsonObject) -> Any:
    from pycocotools.coco import COCO

    index = COCO()
    index.dataset = content
    index.createIndex()
    return index


@contextlib.contextmanager
def _explain_failure(file: Path) -> Iterator[None]:
    """What in the annotations pycocotools stumbles over is the file's fault."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise WrongInput(
            f"{file}: pycocotools cannot judge these annotations",
            evidence=f"{type(error).__name__}: {error}",
            remedy="is it COCO's format?",
        ) from None


def _coco_results(
    scene: Scene, path: Path, objects: Sequence[PredictedObject]
) -> Iterator[JsonObject]:
    for each in objects:
        if each.class_ not in scene.category:
            continue
        yield {
            "image_id": scene.ids[path],
            "category_id": scene.category[each.class_],
            "score": each.score,
            **scene.task.coco_result(each),
        }


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """pycocotools prints on stdout, and hands numpy 2 an array in the way of numpy 1."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", message="__array__", category=DeprecationWarning)
        yield
