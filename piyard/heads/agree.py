"""Whether two implementations of a network find the same objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from piyard.heads import boxes, masks
from piyard.heads.found import Found
from piyard.heads.oks import oks

if TYPE_CHECKING:
    from piyard.model.steps import Doubles


LEAST_IOU = 0.5
"""Boxes of a class that overlap less are not the same object."""
SEEN = 0.3
"""Keypoints with a lower score are not compared."""


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """How far two sets of objects may differ and still agree."""

    iou: float = 0.95
    score: float = 0.02
    mask_iou: float = 0.9
    oks: float = 0.95


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The worst of a picture, or of several (``worst``)."""

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
    def text(self) -> str:
        """For people."""
        more = {"box IoU": self.iou, "mask IoU": self.mask_iou, "OKS": self.oks}
        lowest = [f"{name} {value:.4f}" for name, value in more.items() if value is not None]
        return (
            f"{self.expected} objects expected, {self.actual} found, {self.matched} matched; lowest"
            f" {', '.join(lowest)}; scores within {self.score:.4f}"
        )

    def problem(self, bars: Bars, threshold: float = 0.0) -> str:
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


def compare(expected: Sequence[Found], actual: Sequence[Found]) -> Agreement:
    """How alike they are: each wanted one, best first, takes the unmatched one that overlaps most.

    Both of a pair have the same class. Masks and keypoints are compared where both have them.
    """
    matched = matches(expected, actual)
    pairs = [(expected[i], actual[j]) for i, j in matched]
    alone = [each.score for i, each in enumerate(expected) if i not in {i for i, _ in matched}]
    alone += [each.score for j, each in enumerate(actual) if j not in {j for _, j in matched}]
    return Agreement(
        expected=len(expected),
        actual=len(actual),
        matched=len(pairs),
        unmatched_score=max(alone, default=0.0),
        iou=min((_iou(*pair) for pair in pairs), default=1.0),
        score=max((abs(each.score - other.score) for each, other in pairs), default=0.0),
        mask_iou=_lowest(_mask_iou(*pair) for pair in pairs),
        oks=_lowest(_oks(*pair) for pair in pairs),
    )


def worst(agreements: Sequence[Agreement]) -> Agreement:
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


def matches(expected: Sequence[Found], actual: Sequence[Found]) -> list[tuple[int, int]]:
    """Pairs of indices: objects taken for the same (see ``compare``)."""
    import numpy as np

    if not (expected and actual):
        return []
    overlap = boxes.iou(_boxes(expected), _boxes(actual))
    classes = [np.asarray([each.class_ for each in side]) for side in (expected, actual)]
    overlap[classes[0][:, None] != classes[1]] = 0
    pairs = []
    for i in range(len(expected)):
        j = int(overlap[i].argmax())
        if overlap[i, j] >= LEAST_IOU:
            pairs.append((i, j))
            overlap[:, j] = 0
    return pairs


def _boxes(objects: Sequence[Found]) -> Doubles:
    import numpy as np

    return np.asarray([each.box for each in objects], np.float64)


def _iou(expected: Found, actual: Found) -> float:
    return float(boxes.iou(_boxes([expected]), _boxes([actual]))[0, 0])


def _mask_iou(expected: Found, actual: Found) -> float | None:
    return (
        None
        if expected.mask is None or actual.mask is None
        else masks.iou(expected.mask, actual.mask)
    )


def _oks(expected: Found, actual: Found) -> float | None:
    """Over the keypoints that ``one`` is sure of, at the size of its box."""
    if expected.keypoints is None or actual.keypoints is None:
        return None
    area = float(boxes.area(_boxes([expected]))[0])
    return oks(expected.keypoints, actual.keypoints, area, expected.keypoints[:, 2] >= SEEN)


def _lowest(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
