"""How alike boxes, masks and keypoints are: IoU, OKS, suppression, assignment and agreement.

Boxes are (n, 4) of x0, y0, x1, y1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from piyard.vision.predictions import DecodedObject
from piyard.vision.rotated import rotated_iou

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Indices, Mask


def mask_iou(ours: Mask, theirs: Mask) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = int((ours | theirs).sum())
    return int((ours & theirs).sum()) / union if union else 1.0


def box_area(boxes: Doubles) -> Doubles:
    """Width x height; 0 for a box that is turned inside out."""
    import numpy as np

    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    areas: Doubles = sides[..., 0] * sides[..., 1]
    return areas


def box_iou(ours: Doubles, theirs: Doubles) -> Doubles:
    """Intersection over union of each of ``ours`` with each of ``theirs``; 0 for 0 over 0."""
    import numpy as np

    low = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    high = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    shared = box_area(np.concatenate([low, high], axis=-1))
    union = box_area(ours)[:, None] + box_area(theirs)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def suppress_overlaps(boxes: Doubles, classes: Indices, threshold: float) -> Indices:
    """Which of ``boxes``, best first, stay.

    Greedy: one that stays ends every later one of its class whose IoU with it is above
    ``threshold``.
    """
    import numpy as np

    kept = np.ones(len(boxes), np.bool_)
    for index in range(len(boxes)):
        if kept[index]:
            later = (
                index
                + 1
                + np.flatnonzero(kept[index + 1 :] & (classes[index + 1 :] == classes[index]))
            )
            overlap = box_iou(boxes[index : index + 1], boxes[later])[0]
            kept[later[overlap > threshold]] = False
    return np.flatnonzero(kept)


def tracked_iou(ours: Doubles, theirs: Doubles, *, inclusive: bool = False) -> Doubles:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4) of x0, y0, x1, y1.

    ``inclusive`` counts the pixel at x1 and y1 in, as the authors of ByteTrack do.
    """
    import numpy as np

    more = 1.0 if inclusive else 0.0
    least = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    sides = np.maximum(least - np.maximum(ours[:, None, :2], theirs[None, :, :2]) + more, 0)
    shared: Doubles = sides[..., 0] * sides[..., 1]
    total = _tracked_areas(ours, more)[:, None] + _tracked_areas(theirs, more)[None, :] - shared
    return np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)


def _tracked_areas(boxes: Doubles, more: float) -> Doubles:
    areas: Doubles = (boxes[:, 2] - boxes[:, 0] + more) * (boxes[:, 3] - boxes[:, 1] + more)
    return areas


def assign_pairs(costs: Doubles, limit: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of the matrix, by row; each row and each column in at most one pair.

    The pairs minimise the sum of their costs plus ``limit`` / 2 for each row and each column left
    alone: the problem ``lap.lapjv(costs, extend_cost=True, cost_limit=limit)`` solves on a square
    of rows + columns. A pair that costs ``limit`` saves nothing, so that it may stand for two left
    alone: complete assignments of costs cut off at ``limit`` have the same least sum, on the matrix
    itself.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.minimum(costs, limit))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column) for row, column in pairs if costs[row, column] < limit]


COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035),  # nose, eyes, ears
    *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),  # shoulders, elbows, wrists
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),  # hips, knees, ankles
)
"""How far people who annotate the 17 COCO keypoints disagree (cocodataset.org, keypoints-eval)."""


def keypoint_sigmas(count: int) -> Doubles:
    """COCO's for 17 keypoints; else 1 / count for each."""
    import numpy as np

    return np.asarray(COCO_SIGMAS if count == len(COCO_SIGMAS) else [1 / count] * count)


def keypoint_similarity(ours: Doubles, theirs: Doubles, area: float, seen: Mask) -> float:
    """The mean of exp(-d^2 / (2 area (2 sigma)^2)) over the keypoints that are ``seen``.

    ``ours`` and ``theirs`` are (keypoints, 2 or more) of x, y, and d is their distance; ``area``,
    above 0, is the object's in the same pixels squared. 1 when no keypoint is seen.
    """
    import numpy as np

    if not seen.any():
        return 1.0
    far = ((ours[:, :2] - theirs[:, :2]) ** 2).sum(axis=1)
    spread = 2 * area * (2 * keypoint_sigmas(len(ours))) ** 2
    return float(np.exp(-far / spread)[seen].mean())


SAME_OBJECT_IOU = 0.5
"""Boxes of a class that overlap less are not the same object."""
SURE_KEYPOINT = 0.3
"""Keypoints with a lower score are not compared."""


class AgreementLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How far two sets of objects may differ and still agree."""

    iou: float = 0.95
    score: float = 0.02
    mask_iou: float = 0.9
    oks: float = 0.95


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The worst of a picture, or of several (``worst_agreement``)."""

    expected: int = msgspec.field(name="wanted")
    actual: int = msgspec.field(name="got")
    matched: int
    unmatched_score: float = msgspec.field(name="lonely", default=0.0)
    """The highest score of an object that only one of the two found."""
    iou: float = 1.0
    """Of the boxes of one object; the lowest."""
    score: float = 0.0
    """The largest difference."""
    mask_iou: float | None = None
    """The lowest; None where there are no masks."""
    oks: float | None = None
    """The lowest; None where there are no keypoints."""

    @property
    def proves_nothing(self) -> bool:
        """Whether no object of both was compared, so that nothing could differ."""
        return not self.matched

    @property
    def text(self) -> str:
        """For people."""
        if not (self.expected or self.actual):
            return "no object expected, none found"
        more = {"box IoU": self.iou, "mask IoU": self.mask_iou, "OKS": self.oks}
        lowest = [f"{name} {value:.4f}" for name, value in more.items() if value is not None]
        return (
            f"{self.expected} objects expected, {self.actual} found, {self.matched} matched; lowest"
            f" {', '.join(lowest)}; scores within {self.score:.4f}"
        )

    def problem(self, bars: AgreementLimits, threshold: float = 0.0) -> str:
        """What differs too much, or nothing.

        Only one of the two may tell an object whose score is within ``bars.score`` of the head's
        ``threshold``: the other one saw it just below.
        """
        measured = {"mask IoU": (self.mask_iou, bars.mask_iou), "OKS": (self.oks, bars.oks)}
        low = {"box IoU": (self.iou, bars.iou)} | measured
        problems = [
            f"{name} {value:.4f} is below {least}"
            for name, (value, least) in low.items()
            if value is not None and not value >= least
        ]
        if not self.score <= bars.score:
            problems.append(f"a score differs by {self.score:.4f}, more than {bars.score}")
        lost = self.matched < max(self.expected, self.actual)
        if lost and not self.unmatched_score <= threshold + bars.score:
            problems.append(
                f"{self.expected} objects expected, {self.actual} found, {self.matched}"
                f" matched; the best of the others has score {self.unmatched_score:.4f}"
            )
        return "; ".join(problems)


def compare_objects(
    expected: Sequence[DecodedObject], actual: Sequence[DecodedObject]
) -> Agreement:
    """How alike they are: each expected object, best first, takes the free one that overlaps most.

    Both of a pair have the same class. Masks and keypoints are compared where both have them.
    """
    matched = match_objects(expected, actual)
    pairs = [(expected[i], actual[j]) for i, j in matched]
    alone = [each.score for i, each in enumerate(expected) if i not in {i for i, _ in matched}]
    alone += [each.score for j, each in enumerate(actual) if j not in {j for _, j in matched}]
    return Agreement(
        expected=len(expected),
        actual=len(actual),
        matched=len(pairs),
        unmatched_score=max(alone, default=0.0),
        iou=min((_pair_iou(*pair) for pair in pairs), default=1.0),
        score=max((abs(each.score - other.score) for each, other in pairs), default=0.0),
        mask_iou=_lowest(_pair_mask_iou(*pair) for pair in pairs),
        oks=_lowest(_pair_similarity(*pair) for pair in pairs),
    )


def worst_agreement(agreements: Sequence[Agreement]) -> Agreement:
    """Of several pictures, with the counts added up."""
    return Agreement(
        expected=sum(each.expected for each in agreements),
        actual=sum(each.actual for each in agreements),
        matched=sum(each.matched for each in agreements),
        unmatched_score=max((each.unmatched_score for each in agreements), default=0.0),
        iou=min((each.iou for each in agreements), default=1.0),
        score=max((each.score for each in agreements), default=0.0),
        mask_iou=_lowest(each.mask_iou for each in agreements),
        oks=_lowest(each.oks for each in agreements),
    )


def match_objects(
    expected: Sequence[DecodedObject], actual: Sequence[DecodedObject]
) -> list[tuple[int, int]]:
    """Pairs of indices: objects taken for the same (see ``compare``)."""
    import numpy as np

    if not (expected and actual):
        return []
    overlap = object_iou(expected, actual)
    classes = [np.asarray([each.class_ for each in side]) for side in (expected, actual)]
    overlap[classes[0][:, None] != classes[1]] = 0
    pairs = []
    for i in range(len(expected)):
        j = int(overlap[i].argmax())
        if overlap[i, j] >= SAME_OBJECT_IOU:
            pairs.append((i, j))
            overlap[:, j] = 0
    return pairs


def object_iou(ours: Sequence[DecodedObject], theirs: Sequence[DecodedObject]) -> Doubles:
    """(n, m) of intersection over union of their boxes: of the rotated ones, where all have one."""
    import numpy as np

    tilted = [[each.rotated for each in side if each.rotated] for side in (ours, theirs)]
    if len(tilted[0]) == len(ours) and len(tilted[1]) == len(theirs):
        return rotated_iou(*(np.asarray(side, np.float64).reshape(-1, 5) for side in tilted))
    return box_iou(_boxes_of(ours), _boxes_of(theirs))


def _boxes_of(objects: Sequence[DecodedObject]) -> Doubles:
    import numpy as np

    return np.asarray([each.box for each in objects], np.float64)


def _pair_iou(expected: DecodedObject, actual: DecodedObject) -> float:
    return float(object_iou([expected], [actual])[0, 0])


def _pair_mask_iou(expected: DecodedObject, actual: DecodedObject) -> float | None:
    """None of two empty masks too."""
    if expected.mask is None or actual.mask is None or not (expected.mask | actual.mask).any():
        return None
    return mask_iou(expected.mask, actual.mask)


def _pair_similarity(expected: DecodedObject, actual: DecodedObject) -> float | None:
    """Over the keypoints that ``expected`` is sure of, at the size of its box; None of none."""
    if expected.keypoints is None or actual.keypoints is None:
        return None
    sure = expected.keypoints[:, 2] >= SURE_KEYPOINT
    if not sure.any():
        return None
    area = float(box_area(_boxes_of([expected]))[0])
    return keypoint_similarity(expected.keypoints, actual.keypoints, area, sure)


def _lowest(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
