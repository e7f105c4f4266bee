"""What a network's outputs mean, as data. nnrun decodes them, and ``piyard.heads``.

A dense head looks at each place of some maps, one map a stride. A conversion's outputs are, map by
map from the smallest stride on, the blobs of shape (channels, rows, columns) whose channels follow
one another as each head says; then what belongs to no map. Nothing is decoded, and no activation is
applied, in the net: nnrun does it only where a score is high enough.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from piyard.config import Config

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=100_000)]
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
    """YOLOv8 and YOLO11, cut before their distribution focal loss layer.

    Channels: 4 x ``bins`` for left, top, right, bottom; the classes; then 32 mask coefficients
    (segment) or 51 keypoint values (pose). Task segment ends with the prototypes (32, rows,
    columns). Place (i, j) is at (j + 0.5, i + 0.5) x stride; a side is the softmax-weighted mean of
    0..bins-1, times the stride; a score is the class's sigmoid.
    """

    bins: Count = 16


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


DenseHead = Yolov8 | Yolox | Nanodet | Rtmdet | Fcos
Head = DenseHead | Simcc | Heatmap
