"""Heads as data: what a network's last outputs mean.

A dense head looks at each place of some maps, one map a stride. A conversion's outputs are, map
by map from the smallest stride on, the blobs of shape (channels, rows, columns) whose channels
follow one another as each head says; then what belongs to no map. Nothing is decoded, and no
activation is applied, in the net: nnrun does it only where a score is high enough.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from piyard.core.config import Config
from piyard.vision.schema import Count, Share

Strides = Annotated[tuple[Count, ...], Meta(min_length=1, max_length=8)]


class Dense(Config):
    """A score a class and a box at each place of each map."""

    strides: Strides = (8, 16, 32)
    """Input pixels between two places of a map, map by map."""
    score: Share = 0.25
    """Objects with a lower score are dropped."""
    nms: Share = 0.45
    """Of two boxes of a class whose intersection over union is above it, the better one stays."""
    most: Count = 300
    """At most this many objects are kept."""


class Yolov8(Dense, tag_field="kind", tag="yolov8"):
    """Ultralytics' YOLOv5u, v8, v9, v10, 11, 12 and 26, cut before their boxes are decoded.

    Channels: 4 x ``bins`` for left, top, right, bottom; the classes; then the mask coefficients
    (segment), the keypoints' values (pose) or an angle (obb). Task segment ends with the prototypes
    (coefficients, rows, columns). Place (i, j) is at (j + 0.5, i + 0.5) x stride; a side is the
    softmax-weighted mean of 0..bins-1, times the stride; with one bin (YOLO26) it is the value
    itself, times the stride. A score is the class's sigmoid.
    """

    bins: Count = 16
    end_to_end: bool = False
    """The branch of YOLOv10 and YOLO26 that tells each object once: nothing is suppressed (``nms``
    has no meaning), and of a place each class counts, not only the best one."""
    kpt_shape: tuple[Count, Literal[2, 3]] | None = None
    """Keypoints and values of each: x, y and perhaps a score. None: one class, and three values
    a keypoint for the rest of the channels."""
    kpt_grid: Literal["doubled", "centred"] = "doubled"
    """Of the place in column j: ``doubled`` is x = (2 value + j) x stride; ``centred``, YOLO26's,
    is (value + j + 0.5) x stride. y alike with its row."""
    angle: Literal["sigmoid", "radians"] = "sigmoid"
    """Task obb: the angle's channel holds radians (YOLO26), or (sigmoid - 1/4) x pi is."""


AnchorSide = Annotated[float, Meta(gt=0, le=8192)]
Anchors = tuple[tuple[AnchorSide, AnchorSide], ...]
"""Width and height of each, in pixels of the input."""


class Yolov5(Dense, kw_only=True, tag_field="kind", tag="yolov5"):
    """YOLOv5 and YOLOv7 with anchors, cut before their boxes are decoded.

    Channels, one anchor after the other: x, y, w, h, object, the classes; then mask coefficients
    (segment). Centre (2 sigmoid(x) - 0.5 + j) x stride, y alike with the row; a side is
    (2 sigmoid(w))^2 times the anchor's; score sigmoid(object) x sigmoid(class).
    """

    anchors: Annotated[tuple[Anchors, ...], Meta(min_length=1)]
    """Of each map."""

    def __post_init__(self) -> None:
        if len(self.anchors) != len(self.strides) or not self.anchors[0]:
            raise ValueError("`anchors` are not those of as many maps as there are `strides`")
        if len({len(each) for each in self.anchors}) > 1:
            raise ValueError("`anchors` are not as many for each map")


class Yolox(Dense, tag_field="kind", tag="yolox"):
    """YOLOX. Channels: x, y, w, h, object, the classes.

    Centre (x + j, y + i) x stride, size exp(w, h) x stride, score sigmoid(object) x sigmoid(class).
    """


class Nanodet(Dense, tag_field="kind", tag="nanodet"):
    """NanoDet. Channels: the classes, then 4 x ``bins`` sides as YOLOv8's."""

    bins: Count = 8


class Rtmdet(Dense, tag_field="kind", tag="rtmdet"):
    """RTMDet. Channels: the classes, then left, top, right, bottom in pixels of the input.

    Sides are those from (j, i) x stride.
    """


class Fcos(Dense, tag_field="kind", tag="fcos"):
    """torchvision's FCOS. Channels: the classes, then left, top, right, bottom, then centredness.

    Sides are max(value, 0) x stride from (j, i) x stride; a score is the root of sigmoid(class) x
    sigmoid(centredness). The input's sides are multiples of the largest stride: torchvision takes
    a map's stride from their quotient.
    """


class Simcc(Config, tag_field="kind", tag="simcc"):
    """RTMPose: two outputs of shape (keypoints, bins), one for x, one for y.

    There are ``split`` bins a pixel of the input.
    A keypoint is where each is largest; its score is the smaller one of the two largest values.
    """

    split: Annotated[float, Meta(gt=0, le=16)] = 2.0


class Heatmap(Config, tag_field="kind", tag="heatmap"):
    """One output of shape (keypoints, rows, columns); a keypoint is where its map is largest.

    Moved by a quarter of a place towards the larger neighbour in each direction (Xiao, Wu and Wei
    2018, "Simple Baselines for Human Pose Estimation and Tracking").
    """


class Semantic(Config, tag_field="kind", tag="semantic"):
    """A score a class and place: one output of shape (classes, rows, columns) among the net's.

    A pixel is of the class that is largest at the place of the map its centre lies in, of equal
    ones the first; maps are not interpolated. Of a single map class 1 is above ``threshold``: half
    of a probability, 0 of a logit.
    """

    output: Annotated[int, Meta(ge=0, le=1000)] = 0
    """Which of the outputs, from 0."""
    threshold: float = 0.0


DenseHead = Yolov8 | Yolov5 | Yolox | Nanodet | Rtmdet | Fcos
Head = DenseHead | Simcc | Heatmap | Semantic
