"""A dense head's outputs → objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from piyard.heads import boxes, masks
from piyard.heads.found import Found
from piyard.heads.keypoints import keypoints
from piyard.heads.layout import Layout, layout
from piyard.heads.places import Places, places
from piyard.heads.scores import candidates, scores
from piyard.heads.sides import boxes as boxes_of
from piyard.model import Task
from piyard.model.head import DenseHead
from piyard.preprocess.placing import Placing

if TYPE_CHECKING:
    from piyard.model.steps import Doubles, Floats, Indices, Mask


class Kept(NamedTuple):
    """The selected places of the maps, best first."""

    places: Places
    classes: Indices
    scores: Doubles
    boxes: Doubles
    """(n, 4) of x0, y0, x1, y1; in pixels of the input, then of the picture."""

    def at(self, chosen: Indices) -> Kept:
        """Those of them."""
        return Kept(
            self.places.at(chosen), self.classes[chosen], self.scores[chosen], self.boxes[chosen]
        )


def decode(
    head: DenseHead, task: Task, outputs: Sequence[Floats], size: tuple[int, int], placing: Placing
) -> list[Found]:
    """The objects that ``outputs`` for an input of ``size`` = (rows, columns) tell, best first.

    Equal scores are in the order of their places. Boxes are clipped to the picture; of the
    ``head.most`` best ones, those without area there are left out. A place with a value that is not
    finite is skipped. Raises ``WrongInput`` when the outputs are not what the head says.
    """
    maps = outputs[:-1] if task == "segment" else outputs
    table = places(maps, head.strides, size)
    at = layout(head, task, outputs)
    kept = _in_picture(_kept(head, table, at), placing)
    extra = kept.places.values[:, at.extra]
    match task:
        case "segment":
            drawn = masks.drawn(extra.astype("float32"), outputs[-1], kept.boxes, size, placing)
            return _found(kept, drawn)
        case "pose":
            return _found(kept, points=keypoints(extra, kept.places, placing))
        case _:
            return _found(kept)


def _kept(head: DenseHead, table: Places, at: Layout) -> Kept:
    """What survives the score's threshold, non-maximum suppression and the head's ``most``."""
    import numpy as np

    scored = scores(head, table.values, at)
    finite = np.asarray(np.isfinite(table.values).all(axis=1), np.bool_)
    place, class_ = candidates(head, scored, finite)
    score = scored[place, class_]
    order = np.lexsort((class_, place, -score))
    selected = table.at(place[order])
    ranked = Kept(selected, class_[order], score[order], boxes_of(head, selected, at))
    return ranked.at(boxes.nms(ranked.boxes, ranked.classes, head.nms)[: head.most])


def _in_picture(kept: Kept, placing: Placing) -> Kept:
    import numpy as np

    mapped = kept._replace(boxes=placing.boxes_to_picture(kept.boxes))
    return mapped.at(np.flatnonzero(boxes.area(mapped.boxes) > 0))


def _found(
    kept: Kept, drawn: Sequence[Mask] | None = None, points: Doubles | None = None
) -> list[Found]:
    return [
        Found(
            class_=int(kept.classes[i]),
            score=float(kept.scores[i]),
            box=tuple(kept.boxes[i].tolist()),
            mask=None if drawn is None else drawn[i],
            keypoints=None if points is None else points[i],
        )
        for i in range(len(kept.scores))
    ]
