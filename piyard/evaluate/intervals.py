"""95 % intervals of figures: Wilson's of a share, the bootstrap over pictures of mAP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from piyard.core.parsing import JsonObject

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Indices


Interval = tuple[float, float]
"""Lower and upper end, in percent."""
IOU_50 = 0
"""The first of COCO's thresholds of IoU."""
MANY_PICTURES = 1000
"""Pictures from which on a mAP says enough without its interval, which would take minutes."""


FEWEST_PICTURES = 5
"""Pictures with something to judge: resampling fewer says nothing, and the interval is all."""


RESAMPLES = 300


SEED = 20260101


Z = 1.959963984540054
"""Standard normal quantile of 97.5 %."""


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


def _one_category(pictures: list[JsonObject | None], params: Any) -> CategoryDetections:
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
