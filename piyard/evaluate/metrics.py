"""Figures in percent by COCO's rules and OTB's, and 95 % intervals where pictures are few.

OTB (Wu, Lim and Yang 2013, "Online Object Tracking: A Benchmark"): success is the share of frames
whose box overlaps the truth by more than a threshold; the area under its curve over the 21
thresholds 0, 0.05 ... 1 is their mean. Precision is the share of frames whose centre is at most
20 pixels away.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from piyard.core.errors import WrongInput
from piyard.evaluate.scene import CocoKeys, Scene
from piyard.evaluate.tracks import _tracked_persons
from piyard.vision.overlap import tracked_iou
from piyard.vision.predictions import Frame, PredictedObject
from piyard.vision.schema import Corners

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Indices


COCO_KEYPOINTS = 17
"""A person's: pycocotools has tolerances for these. Of n other points each has 1 / n, as in
Ultralytics' own evaluation."""


def coco_figures(
    scene: Scene, answers: Mapping[Path, Sequence[PredictedObject]]
) -> dict[str, float | None]:
    """mAP and mAP50 in percent over the pictures that were answered for.

    None where nothing in these pictures can be judged.
    """
    return _coco_figures(_run_cocoeval(scene, answers))


def coco_figures_with_intervals(
    scene: Scene, answers: Mapping[Path, Sequence[PredictedObject]]
) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """The same, with 95 % intervals where there are figures, of few pictures."""
    judged = _run_cocoeval(scene, answers)
    percentages = _coco_figures(judged)
    return percentages, {} if None in percentages.values() else bootstrap_intervals(judged)


def _coco_figures(judged: Any) -> dict[str, float | None]:
    """pycocotools says -1 for the mean of nothing."""
    values = zip(("mAP", "mAP50"), judged.stats, strict=False)
    return {name: 100 * float(value) if value >= 0 else None for name, value in values}


def _run_cocoeval(scene: Scene, answers: Mapping[Path, Sequence[PredictedObject]]) -> Any:
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


def _index_content(content: CocoKeys) -> Any:
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
) -> Iterator[CocoKeys]:
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


Interval = tuple[float, float]
"""Lower and upper end, in percent."""
MANY_PICTURES = 1000
"""Pictures from which on a mAP says enough without its interval, which would take minutes."""
FEWEST_PICTURES = 5
"""Pictures with something to judge: resampling fewer says nothing, and the interval is all."""
RESAMPLES = 300
SEED = 20260101
Z = 1.959963984540054
"""Standard normal quantile of 97.5 %."""
IOU_50 = 0


class CategoryDetections(NamedTuple):
    """The detections of one category, best first, and its truths."""

    right: Doubles
    """(thresholds, detections): 1 where a detection is right."""
    wrong: Doubles
    """The same of those that are wrong; what is ignored is neither."""
    picture: Indices
    """Of each detection."""
    truths: Doubles
    """Objects in each picture."""


def wilson_interval(hits: int, count: int) -> Interval:
    """A share's interval, by Wilson's score (1927)."""
    share, spread = hits / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z * sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    # Rounding must not leave a share of 0 or 1 outside.
    return 100 * max(0.0, min(share, middle - half)), 100 * min(1.0, max(share, middle + half))


def bootstrap_intervals(judged: Any) -> dict[str, Interval]:
    """mAP's and mAP50's of a COCOeval that has evaluated."""
    categories = [category for category in _category_detections(judged) if category.truths.any()]
    count, recalls = len(judged.params.imgIds), judged.params.recThrs
    return resample_intervals(categories, count, recalls, judged.stats[:2])


def resample_intervals(
    categories: Sequence[CategoryDetections],
    count: int,
    recalls: Doubles,
    figures: Sequence[float],
) -> dict[str, Interval]:
    """Intervals of the mAP and mAP50 ``figures``, shares, by resampling the ``count`` pictures.

    None of more than ``MANY_PICTURES``. The ends hold the figure itself.
    """
    import numpy as np

    if count > MANY_PICTURES:
        return {}
    if (
        sum((category.truths for category in categories), np.zeros(count)).astype(bool).sum()
        < FEWEST_PICTURES
    ):
        return dict.fromkeys(("mAP", "mAP50"), (0.0, 100.0))
    random = np.random.default_rng(SEED)
    drawn = random.integers(0, count, (RESAMPLES, count))
    weights = [np.bincount(resample, minlength=count).astype(float) for resample in drawn]
    samples = np.array([mean_precision(categories, times, recalls) for times in weights])
    ends = 100 * np.nanpercentile(samples, (2.5, 97.5), axis=0)
    return {
        name: (min(float(low), 100 * float(value)), max(float(high), 100 * float(value)))
        for name, low, high, value in zip(("mAP", "mAP50"), *ends, figures, strict=True)
    }


def _category_detections(judged: Any) -> Iterator[CategoryDetections]:
    """evalImgs has all pictures of a category and a range of areas, one after the other."""
    count, areas = len(judged.params.imgIds), len(judged.params.areaRng)
    for start in range(0, len(judged.evalImgs), count * areas):
        yield _one_category(judged.evalImgs[start : start + count], judged.params)


def _one_category(pictures: list[CocoKeys | None], params: Any) -> CategoryDetections:
    """The first range of areas is that of all."""
    import numpy as np

    most = params.maxDets[-1]
    pairs = [(at, evaluated) for at, evaluated in enumerate(pictures) if evaluated]
    truths = np.zeros(len(pictures))
    for at, evaluated in pairs:
        truths[at] = np.count_nonzero(np.asarray(evaluated["gtIgnore"]) == 0)
    if not pairs:
        empty = np.zeros((len(params.iouThrs), 0))
        return CategoryDetections(empty, empty, np.zeros(0, np.int64), truths)
    scores = np.concatenate([evaluated["dtScores"][:most] for _, evaluated in pairs])
    order = np.argsort(-scores, kind="mergesort")
    matched, ignored = (
        np.concatenate([evaluated[key][:, :most] for _, evaluated in pairs], axis=1)[
            :, order
        ].astype(bool)
        for key in ("dtMatches", "dtIgnore")
    )
    lengths = [len(evaluated["dtScores"][:most]) for _, evaluated in pairs]
    return CategoryDetections(
        right=(matched & ~ignored).astype(float),
        wrong=(~matched & ~ignored).astype(float),
        picture=np.repeat([at for at, _ in pairs], lengths)[order],
        truths=truths,
    )


def mean_precision(
    categories: Sequence[CategoryDetections], weights: Doubles, recalls: Doubles
) -> tuple[float, float]:
    """mAP and mAP50 of the pictures, as shares, each taken so many times; NaN of nothing."""
    import numpy as np

    each = [_category_precision(category, weights, recalls) for category in categories]
    precisions = np.array([average for average in each if average is not None])
    if not precisions.size:
        return float("nan"), float("nan")
    return float(precisions.mean()), float(precisions[:, IOU_50].mean())


def _category_precision(
    category: CategoryDetections, weights: Doubles, recalls: Doubles
) -> Doubles | None:
    """Average precision at each threshold, as pycocotools accumulates it."""
    import numpy as np

    total = float(weights @ category.truths)
    if not total:
        return None
    times = weights[category.picture]
    right, wrong = (
        np.cumsum(category.right * times, axis=1),
        np.cumsum(category.wrong * times, axis=1),
    )
    precision = right / np.maximum(right + wrong, np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.pad(precision, ((0, 0), (0, 1)))
    at = [np.searchsorted(row / total, recalls, side="left") for row in right]
    averages: Doubles = np.array(
        [row[places].mean() for row, places in zip(padded, at, strict=True)]
    )
    return averages


SUCCESS_THRESHOLDS = 21
NEAR_PX = 20.0


class SotMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One sequence's; shares are in percent."""

    auc: float
    """The area under the success curve."""
    precision: float
    """Frames with a centre at most 20 pixels away."""
    overlap: float
    """The mean IoU."""
    frames: int


def sot_metrics(truth: Sequence[Corners], tracked: Sequence[Corners | None]) -> SotMetrics:
    """Figures of one sequence, frame by frame; ``None`` is a frame without a box."""
    import numpy as np

    if len(truth) != len(tracked) or not truth:
        raise WrongInput(f"{len(tracked)} boxes for {len(truth)} frames with a truth")
    there = np.array(truth, np.float64)
    boxes = np.array([box or (np.nan,) * 4 for box in tracked], np.float64)
    pairs = np.stack([there, boxes], axis=1)[:, :, None]
    overlaps = np.nan_to_num(np.array([tracked_iou(*pair) for pair in pairs]).ravel())
    distances = np.hypot(*(_box_centres(boxes) - _box_centres(there)).T)
    steps = np.linspace(0, 1, SUCCESS_THRESHOLDS)
    return SotMetrics(
        auc=100 * float(np.mean([(overlaps > step).mean() for step in steps])),
        precision=100 * float((distances <= NEAR_PX).mean()),
        overlap=100 * float(overlaps.mean()),
        frames=len(truth),
    )


def _box_centres(boxes: Doubles) -> Doubles:
    centres: Doubles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centres


def mot_figures(clips: Sequence[tuple[Any, Sequence[Frame]]]) -> dict[str, float | None]:
    """MOTA, IDF1 and HOTA in percent, over all clips together: their truth and their tracks.

    None where no object is there that counts.
    """
    from piyard.evaluate.tracks import mot_metrics_together

    pairs = [(truth, _tracked_persons(frames)) for truth, frames in clips]
    computed = mot_metrics_together(pairs)
    figures = {"HOTA": computed.hota, "MOTA": computed.mota, "IDF1": computed.idf1}
    return {name: value if computed.boxes else None for name, value in figures.items()}


def otb_figures(clips: Sequence[tuple[Any, Sequence[Frame]]]) -> dict[str, float]:
    """The area under the success curve and the precision at 20 pixels, in percent.

    Of several sequences the mean, each weighing the same, as OTB's own toolkit has it.
    """
    computed = [sot_metrics(truth, _followed_boxes(frames)) for truth, frames in clips]
    return {
        "AUC": fmean(each.auc for each in computed),
        "precision": fmean(each.precision for each in computed),
    }


def _followed_boxes(frames: Sequence[Frame]) -> list[Corners | None]:
    return [frame.objects[0].box if frame.objects else None for frame in frames]
