"""How far figures of few pictures can be trusted: 95 % intervals."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Interval = tuple[float, float]
"""Lower and upper end, in percent."""
MANY = 1000
"""Pictures from which on a mAP says enough without its interval, which would take minutes."""
FEWEST = 5
"""Pictures with something to judge: resampling fewer says nothing, and the interval is all."""
RESAMPLES = 300
SEED = 20260101
Z = 1.959963984540054
"""Standard normal quantile of 97.5 %."""
IOU_50 = 0


class Category(NamedTuple):
    """The detections of one category, best first, and its truths."""

    right: Array
    """(thresholds, detections): 1 where a detection is right."""
    wrong: Array
    """The same of those that are wrong; what is ignored is neither."""
    picture: NDArray[np.int64]
    """Of each detection."""
    truths: Array
    """Objects in each picture."""


def wilson(hits: int, count: int) -> Interval:
    """A share's interval, by Wilson's score (1927)."""
    share, spread = hits / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z * sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    # Rounding must not leave a share of 0 or 1 outside.
    return 100 * max(0.0, min(share, middle - half)), 100 * min(1.0, max(share, middle + half))


def intervals(judged: Any) -> dict[str, Interval]:
    """mAP's and mAP50's of a COCOeval that has evaluated: by resampling its pictures.

    None of more than ``MANY`` pictures. The ends hold the figure itself.
    """
    import numpy as np

    count = len(judged.params.imgIds)
    if count > MANY:
        return {}
    categories = [category for category in _categories(judged) if category.truths.any()]
    if (
        sum((category.truths for category in categories), np.zeros(count)).astype(bool).sum()
        < FEWEST
    ):
        return dict.fromkeys(("mAP", "mAP50"), (0.0, 100.0))
    random = np.random.default_rng(SEED)
    drawn = random.integers(0, count, (RESAMPLES, count))
    weights = [np.bincount(resample, minlength=count).astype(float) for resample in drawn]
    samples = np.array([_precision(categories, times, judged) for times in weights])
    ends = 100 * np.nanpercentile(samples, (2.5, 97.5), axis=0)
    return {
        name: (min(float(low), 100 * float(value)), max(float(high), 100 * float(value)))
        for name, low, high, value in zip(("mAP", "mAP50"), *ends, judged.stats[:2], strict=True)
    }


def _categories(judged: Any) -> Iterator[Category]:
    """evalImgs has all pictures of a category and a range of areas, one after the other."""
    count, areas = len(judged.params.imgIds), len(judged.params.areaRng)
    for start in range(0, len(judged.evalImgs), count * areas):
        yield _category(judged.evalImgs[start : start + count], judged.params)


def _category(pictures: list[dict[str, Any] | None], params: Any) -> Category:
    """The first range of areas is that of all."""
    import numpy as np

    most = params.maxDets[-1]
    pairs = [(at, evaluated) for at, evaluated in enumerate(pictures) if evaluated]
    truths = np.zeros(len(pictures))
    for at, evaluated in pairs:
        truths[at] = np.count_nonzero(np.asarray(evaluated["gtIgnore"]) == 0)
    if not pairs:
        empty = np.zeros((len(params.iouThrs), 0))
        return Category(empty, empty, np.zeros(0, np.int64), truths)
    scores = np.concatenate([evaluated["dtScores"][:most] for _, evaluated in pairs])
    order = np.argsort(-scores, kind="mergesort")
    matched, ignored = (
        np.concatenate([evaluated[key][:, :most] for _, evaluated in pairs], axis=1)[
            :, order
        ].astype(bool)
        for key in ("dtMatches", "dtIgnore")
    )
    lengths = [len(evaluated["dtScores"][:most]) for _, evaluated in pairs]
    return Category(
        right=(matched & ~ignored).astype(float),
        wrong=(~matched & ~ignored).astype(float),
        picture=np.repeat([at for at, _ in pairs], lengths)[order],
        truths=truths,
    )


def _precision(categories: list[Category], weights: Array, judged: Any) -> tuple[float, float]:
    """mAP and mAP50 of the pictures, each taken so many times; NaN of nothing."""
    import numpy as np

    each = [_of_category(category, weights, judged.params.recThrs) for category in categories]
    precisions = np.array([average for average in each if average is not None])
    if not precisions.size:
        return float("nan"), float("nan")
    return float(precisions.mean()), float(precisions[:, IOU_50].mean())


def _of_category(category: Category, weights: Array, recalls: Array) -> Array | None:
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
    averages: Array = np.array([row[places].mean() for row, places in zip(padded, at, strict=True)])
    return averages
