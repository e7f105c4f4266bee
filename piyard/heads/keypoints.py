"""Keypoints that a dense head tells with each object (YOLOv8 and YOLO11 pose)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.heads.places import Places
from piyard.heads.scores import sigmoid
from piyard.preprocess.placing import Placing

if TYPE_CHECKING:
    from piyard.model.steps import Doubles


def keypoints(values: Doubles, places: Places, placing: Placing) -> Doubles:
    """(objects, keypoints, 3) of x, y, score, from values (objects, 3 x keypoints).

    x = (2 x value + column) x stride, y alike with the row; the score is the third one's sigmoid.
    """
    import numpy as np

    triples = values.reshape(len(values), values.shape[1] // 3, 3)
    inside = triples[..., :2] * 2 * places.strides[:, None] + places.corners[:, None]
    return np.concatenate([placing.points_to_picture(inside), sigmoid(triples[..., 2:])], axis=-1)
