"""Preprocessing, heads and trackers as data: what a model's YAML says, and nnrun's flags.

A network's input is ``(level - mean) * norm`` of each channel, in the order ``order``. The levels
are those of R, G and B after the geometry; ``gray`` is their luma as Pillow's mode L has it (ITU-R
BT.601): (19595 R + 38470 G + 7471 B + 2^15) >> 16. Pictures are opaque: an alpha is 255.

A dense head looks at each place of some maps, one map a stride. A conversion's outputs are, map
by map from the smallest stride on, the blobs of shape (channels, rows, columns) whose channels
follow one another as each head says; then what belongs to no map. Nothing is decoded, and no
activation is applied, in the net: nnrun does it only where a score is high enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from piyard.core.config import Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Indices = NDArray[np.int64]
    Mask = NDArray[np.bool_]


AUTO = "auto"
"""A classifier's activation that follows from how its net ends."""
Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1 of a box, in pixels."""
InputSide = Annotated[int, Meta(ge=1, le=8192)]
ChannelOrder = Literal["rgb", "bgr", "gray", "rgba", "bgra"]
CHANNELS = {"gray": 1, "rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}
"""Order → the number of channels."""
ChannelFigures = Annotated[tuple[float, ...], Meta(min_length=1, max_length=4)]
Level = Annotated[int, Meta(ge=0, le=255)]
Levels = tuple[Level, Level, Level]
Resample = Literal["linear", "bilinear", "bicubic", "lanczos", "nearest"]
"""``linear`` samples four pixels, as OpenCV's INTER_LINEAR; the others are Pillow's filters."""


class Normalise(Config):
    """What happens to each level after the geometry."""

    order: ChannelOrder
    mean: ChannelFigures
    """Subtracted from each channel (0..255), in the order of ``order``."""
    norm: ChannelFigures
    """Multiplied afterwards, as ncnn's substract_mean_normalize does."""

    def __post_init__(self) -> None:
        for key, figures in (("mean", self.mean), ("norm", self.norm)):
            if len(figures) != self.channels:
                raise ValueError(
                    f"`{key}` has {len(figures)} numbers and `order` {self.order} {self.channels} "
                    "channels"
                )

    @property
    def channels(self) -> int:
        """How many there are."""
        return CHANNELS[self.order]


class Crop(Normalise, tag_field="fit", tag="crop"):
    """The short side to a length, then the square in the middle: classification."""

    resize: InputSide
    """The length of the short side, in pixels."""
    crop: InputSide
    """The side of the square cut from the centre, in pixels."""
    resample: Literal["bilinear", "bicubic", "lanczos", "nearest"]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop > self.resize:
            raise ValueError("`crop` is larger than `resize`")


class Letterbox(Normalise, tag_field="fit", tag="letterbox"):
    """The whole picture at its own proportions, the rest of the input filled: detection."""

    pad: Levels = (114, 114, 114)
    """What the rest is filled with, in R, G, B whatever ``order`` is."""
    place: Literal["centre", "topleft"] = "centre"
    resample: Resample = "linear"


class Stretch(Normalise, tag_field="fit", tag="stretch"):
    """The whole picture as large as the input, its proportions lost."""

    resample: Resample = "linear"
    longest: Annotated[int, Meta(ge=1, le=4096)] | UnsetType = UNSET
    """The long side's length, to which a picture is resized first, smaller or larger.

    Where it is not set it is not written either: keys of older conversions stay.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.longest is not UNSET and self.resample == "linear":
            raise ValueError("`longest` is resized to by Pillow's filters, not by `linear`")


class ObjectCrop(Normalise, tag_field="fit", tag="box"):
    """What is around one object, at its own proportions: top-down pose estimation.

    The object's box is widened to the input's proportions, then by ``padding``; what lies outside
    the picture is black.
    """

    padding: Annotated[float, Meta(ge=1, le=4)] = 1.25


Preprocess = Crop | Letterbox | Stretch | ObjectCrop

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


class BytetrackConfig(Config, tag_field="kind", tag="bytetrack"):
    """ByteTrack (Zhang et al. 2022), the figures its authors' demo uses."""

    high: Share = 0.5
    """Detections above it take part in the first association."""
    low: Share = 0.1
    """Those above this one take part in the second."""
    new: Share = 0.6
    """An unmatched detection starts a track from this score on."""
    match: Share = 0.8
    """The largest cost (1 - IoU x score) of the first association."""
    buffer: Count = 30
    """Frames a lost track is remembered, at 30 frames a second."""


class NanotrackConfig(Config, tag_field="kind", tag="nanotrack"):
    """NanoTrack: one object, whose picture in the first frame is looked for in the next ones.

    Nets ``model`` (the backbone, fully convolutional) and ``head`` (two inputs: template and search
    features; two outputs: (2, n, n) scores and (4, n, n) sides). The figures are those of the
    authors' configv3.yaml; v2 has penalty 0.15, window 0.49 and rate 0.385.
    """

    template: Count = 127
    """Side of the backbone's input for what is looked for, in pixels."""
    search: Count = 255
    """And for where it is looked for."""
    stride: Count = 16
    """Pixels of the search between two places of the head's grid."""
    context: Share = 0.5
    """What is shown around the object, in sums of its sides."""
    penalty: Annotated[float, Meta(ge=0, le=2)] = 0.138
    """For changes of size and shape."""
    window: Share = 0.455
    """Weight of the distance to the last position, against the score."""
    rate: Share = 0.348
    """How quickly the size is updated."""


ImageRange = tuple[float, float] | Literal["own"]
"""The values of an output that become black and white; ``own``: its least and its largest."""


class FurtherInput(Config):
    """An input beside the first one."""

    name: str
    """As the file calls it."""
    shape: Annotated[tuple[InputSide, ...], Meta(min_length=1, max_length=3)]
    """Without the batch."""
    picture: bool = False
    """Whether it is a picture, prepared as the first one; else an array."""


class TextConfig(Config):
    """How a text becomes tokens for an encoder beside that of pictures, and what the pairs mean."""

    context: Annotated[int, Meta(ge=2, le=4096)]
    """The most tokens."""
    end: Annotated[int, Meta(ge=0)]
    """The token a text ends with, whose embedding is the text's."""
    activation: Literal["softmax", "sigmoid"]
    """What makes probabilities: ``softmax`` among the labels, ``sigmoid`` each label for itself."""
    start: Annotated[int, Meta(ge=0)] | None = None
    """The token it begins with, if any."""
    filled: bool = False
    """Whether each text is filled up to the context by further ``end``s; else tokens see only those
    before them."""
    prompt: Annotated[str, Meta(pattern=r"\{\}")] = "a photo of a {}"
    """What is said of a label, in place of ``{}``."""


TrackerConfig = BytetrackConfig | NanotrackConfig


def head_flags(head: Head) -> list[str]:
    """What the outputs mean."""
    kind = ["--head", str(type(head).__struct_config__.tag)]
    match head:
        case Simcc():
            return [*kind, "--split", repr(head.split)]
        case Heatmap():
            return kind
        case Semantic():
            return [*kind, "--map", str(head.output), "--threshold", repr(head.threshold)]
        case _:
            return [*kind, *_dense_flags(head)]


def _dense_flags(head: Dense) -> list[str]:
    bins = ["--bins", str(head.bins)] if isinstance(head, Yolov8 | Nanodet) else []
    return [
        *("--strides", ",".join(map(str, head.strides)), *bins),
        *("--score", repr(head.score), "--nms", repr(head.nms), "--most", str(head.most)),
        *(_yolov8_flags(head) if isinstance(head, Yolov8) else []),
        *(_anchor_flags(head) if isinstance(head, Yolov5) else []),
    ]


def _anchor_flags(head: Yolov5) -> list[str]:
    sides = [repr(side) for anchors in head.anchors for anchor in anchors for side in anchor]
    return ["--anchors", ",".join(sides)]


def _yolov8_flags(head: Yolov8) -> list[str]:
    once = ["--one-to-one"] if head.end_to_end else []
    angle = ["--angle", head.angle] if head.angle != "sigmoid" else []
    if not head.kpt_shape:
        return [*once, *angle]
    count, values = head.kpt_shape
    return [*once, *angle, "--keypoints", f"{count}x{values}", "--keypoint-grid", head.kpt_grid]


def bytetrack_flags(config: BytetrackConfig) -> list[str]:
    return [
        *("--track-high", repr(config.high), "--track-low", repr(config.low)),
        *("--track-new", repr(config.new), "--track-match", repr(config.match)),
        *("--track-buffer", str(config.buffer)),
    ]
