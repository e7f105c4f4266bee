"""How a network is quantised."""

from __future__ import annotations

from typing import Annotated

import msgspec

from piyard.compress.method import Calibration

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class PtqSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the bytes of an int8 file, beside the network and the pictures."""

    calibration: Calibration = "mse"
    """How the scale of what a layer reads is found; ``cosine`` begins with the squared error."""
    equalise: bool = True
    """Whether channels are brought to the same range where that leaves the network as it is."""
    correct_bias: bool = True
    """Whether what rounding the weights adds to a channel on average is taken from its bias."""
