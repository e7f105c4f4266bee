"""From a picture to a network's input, as data: nnrun and the desktop's reference read the same.

A network's input is ``(level - mean) * norm`` of each channel, in the order ``order``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from piyard.config import Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Indices = NDArray[np.int64]
    Mask = NDArray[np.bool_]

Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1 of a box, in pixels."""
Side = Annotated[int, Meta(ge=1, le=8192)]
Triple = tuple[float, float, float]
Level = Annotated[int, Meta(ge=0, le=255)]
Levels = tuple[Level, Level, Level]
Resample = Literal["linear", "bilinear", "bicubic", "nearest"]
"""``linear`` samples four pixels, as OpenCV's INTER_LINEAR; the others are Pillow's filters."""


class Normalise(Config):
    """What happens to each level after the geometry."""

    order: Literal["rgb", "bgr"]
    mean: Triple
    """Subtracted from each channel (0..255), in the order of ``order``."""
    norm: Triple
    """Multiplied afterwards, as ncnn's substract_mean_normalize does."""


class Crop(Normalise, tag_field="fit", tag="crop"):
    """The short side to a length, then the square in the middle: classification."""

    resize: Side
    """The length of the short side, in pixels."""
    crop: Side
    """The side of the square cut from the centre, in pixels."""
    resample: Literal["bilinear", "bicubic", "nearest"]

    def __post_init__(self) -> None:
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


class Box(Normalise, tag_field="fit", tag="box"):
    """What is around one object, at its own proportions: top-down pose estimation.

    The object's box is widened to the input's proportions, then by ``padding``; what lies outside
    the picture is black.
    """

    padding: Annotated[float, Meta(ge=1, le=4)] = 1.25


Preprocess = Crop | Letterbox | Stretch | Box
