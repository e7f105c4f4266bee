"""How objects are tracked from frame to frame, as data."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from piyard.config import Config
from piyard.model.head import Count, Share


class Bytetrack(Config, tag_field="kind", tag="bytetrack"):
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


class Nanotrack(Config, tag_field="kind", tag="nanotrack"):
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


Tracker = Bytetrack | Nanotrack
