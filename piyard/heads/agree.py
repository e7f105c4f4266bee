"""Whether two ways to compute a network find the same objects."""

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
"""Keypoints with a lower score say nothing."""


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """What two ways may differ by and still agree."""

    iou: float = 0.95
    score: float = 0.02
    mask_iou: float = 0.9
    oks: float = 0.95


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The worst of a picture, or of several (``worst``)."""

    wanted: int
    got: int
    matched: int
    lonely: float = 0.0
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
    def told(self) -> str:
        """For people."""
        more = {"box IoU": self.iou, "mask IoU": self.mask_iou, "OKS": self.oks}
        lowest = [f"{name} {value:.4f}" for name, value in more.items() if value is not None]
        return (
            f"{self.wanted} objects wanted, {self.got} found, {self.matched} the same; lowest"
            f" {', '.join(lowest)}; scores within {self.score:.4f}"
        )

    def problem(self, bars: Bars, threshold: float = 0.0) -> str:
        """What is too far apart, or nothing.

        Only one of the two may tell an object whose score is within ``bars.score`` of the head's
        ``threshold``: the other one saw it just below.
        """
        measured = {"mask IoU": (self.mask_iou, bars.mask_iou), "OKS": (self.oks, bars.oks)}
        low = {"box IoU": (self.iou, bars.iou)} | measured
        wrong = [
            f"{name} {value:.4f} is below {least}"
            for name, (value, least) in low.items()
            if value is not None and not value >= least
        ]
        if not self.score <= bars.score:
            wrong.append(f"a score differs by {self.score:.4f}, more than {bars.score}")
        if self.matched < max(self.wanted, self.got) and not self.lonely <= threshold + bars.score:
            wrong.append(
                f"{self.wanted} objects wanted, {self.got} found, {self.matched} of them the same;"
                f" the surest of the others has score {self.lonely:.4f}"
            )
        return "; ".join(wrong)


def compare(wanted: Sequence[Found], got: Sequence[Found]) -> Agreement:
    """How alike they are: each wanted one, best first, takes the unmatched one that overlaps most.

    Both of a pair have the same class. Masks and keypoints are compared where both have them.
    """
    same = matches(wanted, got)
    pairs = [(wanted[i], got[j]) for i, j in same]
    alone = [one.score for i, one in enumerate(wanted) if i not in {i for i, _ in same}]
    alone += [one.score for j, one in enumerate(got) if j not in {j for _, j in same}]
    return Agreement(
        wanted=len(wanted),
        got=len(got),
        matched=len(pairs),
        lonely=max(alone, default=0.0),
        iou=min((_iou(*pair) for pair in pairs), default=1.0),
        score=max((abs(one.score - other.score) for one, other in pairs), default=0.0),
        mask_iou=_lowest(_mask_iou(*pair) for pair in pairs),
        oks=_lowest(_oks(*pair) for pair in pairs),
    )


def worst(agreements: Sequence[Agreement]) -> Agreement:
    """Of several pictures, with the counts added up."""
    return Agreement(
        wanted=sum(one.wanted for one in agreements),
        got=sum(one.got for one in agreements),
        matched=sum(one.matched for one in agreements),
        lonely=max((one.lonely for one in agreements), default=0.0),
        iou=min((one.iou for one in agreements), default=1.0),
        score=max((one.score for one in agreements), default=0.0),
        mask_iou=_lowest(one.mask_iou for one in agreements),
        oks=_lowest(one.oks for one in agreements),
    )


def matches(wanted: Sequence[Found], got: Sequence[Found]) -> list[tuple[int, int]]:
    """Pairs of indices: who is taken for the same (see ``compare``)."""
    import numpy as np

    if not (wanted and got):
        return []
    overlap = boxes.iou(_boxes(wanted), _boxes(got))
    classes = [np.asarray([one.class_ for one in side]) for side in (wanted, got)]
    overlap[classes[0][:, None] != classes[1]] = 0
    found = []
    for i in range(len(wanted)):
        j = int(overlap[i].argmax())
        if overlap[i, j] >= LEAST_IOU:
            found.append((i, j))
            overlap[:, j] = 0
    return found


def _boxes(found: Sequence[Found]) -> Doubles:
    import numpy as np

    return np.asarray([one.box for one in found], np.float64)


def _iou(one: Found, other: Found) -> float:
    return float(boxes.iou(_boxes([one]), _boxes([other]))[0, 0])


def _mask_iou(one: Found, other: Found) -> float | None:
    return None if one.mask is None or other.mask is None else masks.iou(one.mask, other.mask)


def _oks(one: Found, other: Found) -> float | None:
    """Over the keypoints that ``one`` is sure of, at the size of its box."""
    if one.keypoints is None or other.keypoints is None:
        return None
    area = float(boxes.area(_boxes([one]))[0])
    return oks(one.keypoints, other.keypoints, area, one.keypoints[:, 2] >= SEEN)


def _lowest(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
