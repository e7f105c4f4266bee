"""Objects in rotated boxes (OBB), as nnrun has them: vehicles and ships seen from above.

A place tells four sides and an angle. The sides reach from the place's centre, in a picture turned
by the angle; so the box's centre lies where half of the sides' difference points, turned back.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import degrees, pi
from typing import TYPE_CHECKING

from piyard.core.tables import Cell, number_cell
from piyard.vision.dense_head import (
    ChannelLayout,
    Places,
    is_end_to_end,
    output_mismatch,
    place_sides,
    read_places,
    sigmoid,
)
from piyard.vision.head_schema import DenseHead, Head, Yolov8
from piyard.vision.overlap import box_area
from piyard.vision.predictions import DecodedObject, Frame, PredictedObject
from piyard.vision.rotated import (
    enclosing_boxes,
    rotated_corners,
    rotated_to_picture,
    suppress_rotated,
)
from piyard.vision.schema import TrackerConfig
from piyard.vision.tasks.base import Row, TruthKind
from piyard.vision.tasks.detect import Detect, RankedPlaces, rank_places, score_cell
from piyard.vision.transforms import ImageTransform

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Floats, Indices


class Obb(Detect, frozen=True, kw_only=True):
    """What has a rotated box, a class and a score."""

    def extra_channels(self, head: DenseHead, outputs: Sequence[Floats], _channels: int) -> int:
        """The angle."""
        if not isinstance(head, Yolov8):
            raise output_mismatch("only a yolov8 head has angles", outputs)
        return 1

    def decode(
        self,
        head: Head | None,
        outputs: Sequence[Floats],
        size: tuple[int, int],
        transform: ImageTransform,
    ) -> list[DecodedObject]:
        """As ``Detect``'s; of two boxes that overlap, ``suppress_rotated`` says which one stays.

        Rotated boxes are not clipped to the picture, their ``box`` is.
        """
        if not isinstance(head, Yolov8):
            return []
        table = read_places(head, self.head_maps(outputs), size)
        layout = self.channel_layout(head, outputs)
        ranked = rank_places(head, table, layout)
        boxes = place_rotated_boxes(head, ranked.places, layout)
        kept = _suppress(head, ranked, boxes)[: head.most]
        mapped = rotated_to_picture(boxes[kept], transform)
        return _make_objects(ranked, kept.tolist(), mapped, transform.size)

    def rows(self, frames: Sequence[Frame]) -> list[Row]:
        """A row an object of a picture, or one that says that there is none."""
        return [[frame.name, *row] for frame in frames for row in _frame_rows(frame)]

    def data_kind(self, _tracker: TrackerConfig | None) -> TruthKind:
        """Its objects' corners."""
        return "corners"


OBB = Obb(
    name="obb",
    needs=("labels", "head"),
    columns=("Picture", "Object", "Class", "Score", "Centre", "Size", "Angle", "Corners"),
    program_columns=1,
    ultralytics_head="yolov8",
)


def place_rotated_boxes(head: Yolov8, places: Places, at: ChannelLayout) -> Doubles:
    """(places, 5) of x, y, width, height, angle, in pixels of the input; not regularised."""
    import numpy as np

    sides = place_sides(head, places.values[:, at.box]) * places.strides
    angle = _angles(head, places.values[:, at.extra])
    half = (sides[:, 2:] - sides[:, :2]) / 2
    cosine, sine = np.cos(angle), np.sin(angle)
    shift = np.concatenate(
        [half[:, :1] * cosine - half[:, 1:] * sine, half[:, :1] * sine + half[:, 1:] * cosine],
        axis=1,
    )
    centres = places.corners + places.strides / 2 + shift
    return np.concatenate([centres, sides[:, :2] + sides[:, 2:], angle], axis=1)


def _angles(head: Yolov8, values: Doubles) -> Doubles:
    return values if head.angle == "radians" else (sigmoid(values) - 0.25) * pi


def _suppress(head: Yolov8, ranked: RankedPlaces, boxes: Doubles) -> Indices:
    import numpy as np

    if is_end_to_end(head):
        return np.arange(len(boxes))
    return suppress_rotated(boxes, ranked.classes, head.nms)


def _make_objects(
    ranked: RankedPlaces, kept: Sequence[int], boxes: Doubles, picture: tuple[int, int]
) -> list[DecodedObject]:
    """Those of the ``kept`` places whose boxes (kept, 5) have an area in the picture."""
    import numpy as np

    around = enclosing_boxes(boxes).reshape(-1, 2, 2)
    clipped = np.clip(around, 0.0, np.asarray(picture, np.float64)).reshape(-1, 4)
    return [
        DecodedObject(
            class_=int(ranked.classes[place]),
            score=float(ranked.scores[place]),
            box=tuple(clipped[i].tolist()),
            rotated=tuple(boxes[i].tolist()),
        )
        for i, place in enumerate(kept)
        if box_area(clipped[i]) > 0 and boxes[i, 2:4].min() > 0
    ]


def _frame_rows(frame: Frame) -> list[Row]:
    if not frame.objects:
        return [[number_cell(0), "nothing", *[Cell("", None)] * 5]]
    return [
        [number_cell(number), each.name, score_cell(each.score), *_box_cells(each)]
        for number, each in enumerate(frame.objects, 1)
    ]


def _box_cells(predicted: PredictedObject) -> list[Cell]:
    """Centre, size, angle in degrees, and x, y of each corner; for people to the pixel."""
    import numpy as np

    if predicted.rotated is None:
        return [Cell("", None)] * 4
    x, y, width, height, angle = predicted.rotated
    corners = rotated_corners(np.asarray([predicted.rotated], np.float64)).ravel().tolist()
    return [
        Cell(f"{x:.0f},{y:.0f}", [x, y]),
        Cell(f"{width:.0f}x{height:.0f}", [width, height]),
        Cell(f"{degrees(angle):.1f}°", degrees(angle)),
        Cell(",".join(f"{at:.0f}" for at in corners), corners),
    ]
