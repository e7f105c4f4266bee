"""Objects with keypoints: told by a dense head, or top-down in the box of each detected person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from piyard.vision.dense_head import Places, output_mismatch, sigmoid
from piyard.vision.head_schema import DenseHead, Head, Heatmap, Simcc, Yolov8
from piyard.vision.overlap import SURE_KEYPOINT
from piyard.vision.predictions import DecodedObject, PredictedObject
from piyard.vision.preprocess import prepare_object
from piyard.vision.schema import ObjectCrop, TrackerConfig
from piyard.vision.tasks.base import Net, Predictor, Row, TaskModel, TaskOptions, TruthKind
from piyard.vision.tasks.detect import OBJECT_COLUMNS, Detect, SelectedPlaces
from piyard.vision.transforms import ImageTransform, object_transform

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.vision.schema import Doubles, Floats, Indices

PERSON = "person"
"""The only class of a pose model without names."""


class Pose(Detect, frozen=True, kw_only=True):
    """Keypoints of each person."""

    def flags(self, _model: TaskModel, _options: TaskOptions, detector: Sequence[str]) -> list[str]:
        """The detector's, which begin with its name."""
        return [f"--detector-{word[2:]}" if word.startswith("--") else word for word in detector]

    def extra_channels(self, head: DenseHead, outputs: Sequence[Floats], channels: int) -> int:
        """As the head says, else three a keypoint of a network that has one class."""
        if not isinstance(head, Yolov8):
            raise output_mismatch("that head has no keypoints", outputs)
        if head.kpt_shape:
            return head.kpt_shape[0] * head.kpt_shape[1]
        values = channels - 4 * head.bins - 1
        if values <= 0 or values % 3:
            raise output_mismatch("there are no keypoint channels", outputs)
        return values

    def decode(
        self,
        head: Head | None,
        outputs: Sequence[Floats],
        size: tuple[int, int],
        transform: ImageTransform,
    ) -> list[DecodedObject]:
        """Persons; of a top-down net the one that the whole picture is taken for."""
        if not isinstance(head, Simcc | Heatmap):
            return super().decode(head, outputs, size, transform)
        points = decode_pose(head, outputs, size, transform)
        whole = (0.0, 0.0, float(transform.size[0]), float(transform.size[1]))
        return [DecodedObject(class_=0, score=1.0, box=whole, keypoints=points)]

    def add_extra(
        self,
        objects: list[DecodedObject],
        selected: SelectedPlaces,
        extra: Doubles,
        _outputs: Sequence[Floats],
        _size: tuple[int, int],
        transform: ImageTransform,
    ) -> list[DecodedObject]:
        """Their keypoints."""
        keypoints = decode_keypoints(selected.head, extra, selected.places, transform)
        return [
            msgspec.structs.replace(each, keypoints=points)
            for each, points in zip(objects, keypoints, strict=True)
        ]

    def find_objects(self, predictor: Predictor, picture: Image) -> list[DecodedObject]:
        """Top-down, each person that the detector finds with the keypoints seen there."""
        detector = predictor.detector
        if detector is None:
            return super().find_objects(predictor, picture)
        objects = detector.task.find_objects(Predictor(net=detector), picture)
        return [
            _estimate_pose(predictor.net, picture, each) for each in objects if each.class_ == 0
        ]

    def cells(self, predicted: PredictedObject | None) -> Row:
        """How many keypoints are sure."""
        points = (predicted and predicted.keypoints) or []
        sure = sum(score >= SURE_KEYPOINT for *_, score in points)
        return [f"{sure} of {len(points)}" if points else ""]

    def coco_classes(self, labels: Sequence[str]) -> Sequence[str]:
        """Persons, where the model has no names."""
        return labels or [PERSON]

    def data_kind(self, _tracker: TrackerConfig | None) -> TruthKind:
        """Its persons' keypoints."""
        return "keypoints"

    def coco_result(self, predicted: PredictedObject) -> dict[str, object]:
        """COCO scores a pose by its person's score; visibility is not judged."""
        return {"keypoints": [v for x, y, _ in predicted.keypoints or () for v in (x, y, 1)]}


POSE = Pose(
    name="pose",
    needs=("head", "keypoints"),
    columns=(*OBJECT_COLUMNS, "Keypoints"),
    ultralytics_head="yolov8",
    coco_type="keypoints",
)


def _estimate_pose(net: Net, picture: Image, person: DecodedObject) -> DecodedObject:
    if not (isinstance(net.outputs, Simcc | Heatmap) and isinstance(net.preprocess, ObjectCrop)):
        raise TypeError(net.task.name)
    prepared = prepare_object(picture, person.box, net.preprocess, net.size)
    transform = object_transform(picture.size, person.box, net.preprocess, net.size)
    points = decode_pose(net.outputs, net.compute(prepared), net.size, transform)
    return msgspec.structs.replace(person, keypoints=points)


def decode_keypoints(
    head: DenseHead, values: Doubles, places: Places, transform: ImageTransform
) -> Doubles:
    """(objects, keypoints, 3) of x, y, score, from values (objects, keypoints x values of each).

    The head's ``kpt_grid`` says where they are; the score is the third one's sigmoid, and 1 where
    there is none.
    """
    import numpy as np

    each = head.kpt_shape[1] if isinstance(head, Yolov8) and head.kpt_shape else 3
    points = values.reshape(len(values), values.shape[1] // each, each)
    if isinstance(head, Yolov8) and head.kpt_grid == "centred":
        steps, start = places.strides, places.corners + places.strides / 2
    else:
        steps, start = 2 * places.strides, places.corners
    inside = points[..., :2] * steps[:, None] + start[:, None]
    sure = np.ones((*points.shape[:2], 1)) if each < 3 else sigmoid(points[..., 2:])
    return np.concatenate([transform.points_to_picture(inside), sure], axis=-1)


def decode_pose(
    head: Simcc | Heatmap,
    outputs: Sequence[Floats],
    size: tuple[int, int],
    transform: ImageTransform,
) -> Doubles:
    """(keypoints, 3) of x, y in the picture and score, as the network gave it.

    ``size`` is the network's input (rows, columns). Raises ``WrongInput`` when the outputs are not
    what the head says.
    """
    import numpy as np

    if isinstance(head, Simcc):
        inside, score = _decode_simcc(head, outputs, size)
    else:
        inside, score = _decode_heatmap(outputs, size)
    return np.concatenate([transform.points_to_picture(inside), score[:, None]], axis=1)


def _decode_simcc(
    head: Simcc, outputs: Sequence[Floats], size: tuple[int, int]
) -> tuple[Doubles, Doubles]:
    """Points (keypoints, 2) in the input, and scores."""
    import numpy as np

    bins = [round(side * head.split) for side in size[::-1]]
    if [output.ndim for output in outputs] != [2, 2] or [
        output.shape[1] for output in outputs
    ] != bins:
        raise output_mismatch(f"two outputs of {bins[0]} and {bins[1]} bins", outputs)
    points = np.stack([output.argmax(axis=1) for output in outputs], axis=1) / head.split
    score = np.min([output.max(axis=1) for output in outputs], axis=0).astype(np.float64)
    return points, score


def _decode_heatmap(outputs: Sequence[Floats], size: tuple[int, int]) -> tuple[Doubles, Doubles]:
    """Points (keypoints, 2) in the input, and scores."""
    import numpy as np

    if len(outputs) != 1 or outputs[0].ndim != 3:
        raise output_mismatch("one output (keypoints, rows, columns)", outputs)
    maps = outputs[0].astype(np.float64)
    count, rows, columns = maps.shape
    flat = maps.reshape(count, -1)
    row, column = np.divmod(flat.argmax(axis=1), columns)
    each = np.arange(count)
    x = column + _quarter_offset(maps[each, row], column)
    y = row + _quarter_offset(maps[each, :, column], row)
    points = np.stack([x * (size[1] / columns), y * (size[0] / rows)], axis=1)
    return points, flat.max(axis=1)


def _quarter_offset(lines: Doubles, at: Indices) -> Doubles:
    """A quarter towards the larger neighbour of ``at`` in each line; 0 where it has only one."""
    import numpy as np

    each, last = np.arange(len(lines)), lines.shape[1] - 1
    right, left = lines[each, np.minimum(at + 1, last)], lines[each, np.maximum(at - 1, 0)]
    return np.where((at > 0) & (at < last), np.sign(right - left) * 0.25, 0.0)
