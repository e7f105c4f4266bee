"""Pictures, texts and trackers as data: what a model's YAML says of them.

A network's input is ``(level - mean) * norm`` of each channel, in the order ``order``. The levels
are those of R, G and B after the geometry; ``gray`` is their luma as Pillow's mode L has it (ITU-R
BT.601): (19595 R + 38470 G + 7471 B + 2^15) >> 16. Pictures are opaque: an alpha is 255.
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
