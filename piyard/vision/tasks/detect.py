"""Objects in boxes: a dense head's places → the best of them in the picture, as nnrun has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from piyard.core.tables import Cell, number_cell
from piyard.core.text import format_count
from piyard.vision.dense_head import (
    ChannelLayout,
    Places,
    is_end_to_end,
    place_boxes,
    place_scores,
    read_places,
    select_candidates,
)
from piyard.vision.head_schema import DenseHead, Head
from piyard.vision.overlap import box_area, suppress_overlaps
from piyard.vision.predictions import DecodedObject, Frame, PredictedObject
from piyard.vision.schema import TrackerConfig
from piyard.vision.tasks.base import Row, TaskSpec, TruthKind
from piyard.vision.transforms import ImageTransform

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Floats, Indices


class SelectedPlaces(NamedTuple):
    """The selected places of the maps, best first."""

    head: DenseHead
    """What they belong to."""
    places: Places
    classes: Indices
    scores: Doubles
    boxes: Doubles
    """(n, 4) of x0, y0, x1, y1; in pixels of the input, then of the picture."""

    def at(self, chosen: Indices) -> SelectedPlaces:
        """Those of them."""
        return self._replace(
            places=self.places.at(chosen),
            classes=self.classes[chosen],
            scores=self.scores[chosen],
            boxes=self.boxes[chosen],
        )


class Detect(TaskSpec, frozen=True, kw_only=True):
    """What has a box, a class and a score; segment and pose add to each object."""

    def decode(
        self,
        head: Head | None,
        outputs: Sequence[Floats],
        size: tuple[int, int],
        transform: ImageTransform,
    ) -> list[DecodedObject]:
        """The objects that ``outputs`` for an input of ``size`` = (rows, columns) tell, best first.

        Equal scores are in the order of their places. Boxes are clipped to the picture; of the
        ``head.most`` best ones, those without area there are left out. A place with a value that is
        not finite is skipped. Raises ``WrongInput`` when the outputs are not what the head says.
        """
        if not isinstance(head, DenseHead):
            return []
        table = read_places(head, self.head_maps(outputs), size)
        layout = self.channel_layout(head, outputs)
        selected = _map_to_picture(_select_places(head, table, layout), transform)
        extra = selected.places.values[:, layout.extra]
        return self.add_extra(_make_objects(selected), selected, extra, outputs, size, transform)

    def add_extra(
        self,
        objects: list[DecodedObject],
        _selected: SelectedPlaces,
        _extra: Doubles,
        _outputs: Sequence[Floats],
        _size: tuple[int, int],
        _transform: ImageTransform,
    ) -> list[DecodedObject]:
        """The objects with what the channels ``extra`` (objects, channels) tell of them."""
        return objects

    def picture_flags(self, _activation: str, _classes: str) -> list[str]:
        """What the head's places hold beside boxes."""
        return ["--task", self.name]

    def data_kind(self, _tracker: TrackerConfig | None) -> TruthKind:
        """Its objects' boxes."""
        return "box"

    def cells(self, _predicted: PredictedObject | None) -> Row:
        """What the table has of an object beside its box; None where nothing was seen."""
        return []

    def rows(self, frames: Sequence[Frame]) -> list[Row]:
        """A row an object of a picture, or one that says that there is none."""
        return [[frame.name, *row] for frame in frames for row in self._frame_rows(frame)]

    def _frame_rows(self, frame: Frame) -> list[Row]:
        if not frame.objects:
            blank = Cell("", None)
            return [[number_cell(0), "nothing", blank, blank, *self.cells(None)]]
        return [
            [
                *(number_cell(number), each.name),
                *(score_cell(each.score), _box_cell(each), *self.cells(each)),
            ]
            for number, each in enumerate(frame.objects, 1)
        ]

    def summarise(self, frames: Sequence[Frame]) -> list[str]:
        """How many objects, and how many of the most frequent classes."""
        counts = Counter(each.name for frame in frames for each in frame.objects)
        named = ", ".join(f"{name} {number}" for name, number in counts.most_common(5))
        objects = format_count(sum(counts.values()), "object") + (f" ({named})" if named else "")
        return [objects]


def score_cell(score: float) -> Cell:
    """A score with three digits."""
    return Cell(f"{score:.3f}", score)


def _box_cell(predicted: PredictedObject) -> Cell:
    """Left, top, right, bottom, for people to the pixel."""
    return Cell(",".join(f"{side:.0f}" for side in predicted.box), list(predicted.box))


class RankedPlaces(NamedTuple):
    """Places with a class whose score is high enough, best first."""

    places: Places
    classes: Indices
    scores: Doubles


def rank_places(head: DenseHead, table: Places, at: ChannelLayout) -> RankedPlaces:
    """What survives the score's threshold; equal scores in the order of their places."""
    import numpy as np

    scored = place_scores(head, table.values, at)
    finite = np.asarray(np.isfinite(table.values).all(axis=1), np.bool_)
    place, class_ = select_candidates(head, scored, finite)
    score = scored[place, class_]
    order = np.lexsort((class_, place, -score))
    return RankedPlaces(table.at(place[order]), class_[order], score[order])


def _select_places(head: DenseHead, table: Places, at: ChannelLayout) -> SelectedPlaces:
    """What survives the score's threshold, non-maximum suppression and the head's ``most``."""
    import numpy as np

    ranked = rank_places(head, table, at)
    boxed = SelectedPlaces(head, *ranked, place_boxes(head, ranked.places, at))
    if is_end_to_end(head):
        return boxed.at(np.arange(min(head.most, len(boxed.scores))))
    return boxed.at(suppress_overlaps(boxed.boxes, boxed.classes, head.nms)[: head.most])


def _map_to_picture(kept: SelectedPlaces, transform: ImageTransform) -> SelectedPlaces:
    import numpy as np

    mapped = kept._replace(boxes=transform.boxes_to_picture(kept.boxes))
    return mapped.at(np.flatnonzero(box_area(mapped.boxes) > 0))


def _make_objects(selected: SelectedPlaces) -> list[DecodedObject]:
    return [
        DecodedObject(
            class_=int(selected.classes[i]),
            score=float(selected.scores[i]),
            box=tuple(selected.boxes[i].tolist()),
        )
        for i in range(len(selected.scores))
    ]


OBJECT_COLUMNS = ("Picture", "Object", "Class", "Score", "Box")
DETECT = Detect(
    name="detect",
    needs=("labels", "head"),
    columns=OBJECT_COLUMNS,
    ultralytics_head="yolov8",
    coco_type="bbox",
)
