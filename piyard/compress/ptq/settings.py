"""How a network is quantised, and which of its layers."""

from __future__ import annotations

import msgspec

from piyard.compress.method import Calibration, Settings


class PtqSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the bytes of an int8 file, beside the network and the pictures."""

    calibration: Calibration = "mse"
    """How the scale of what a layer reads is found; ``cosine`` begins with the squared error."""
    equalise: bool = True
    """Whether channels are brought to the same range where that leaves the network as it is."""
    correct_bias: bool = True
    """Whether what rounding the weights adds to a channel on average is taken from its bias."""


class PtqChoices(Settings, frozen=True, kw_only=True):
    """Settings of a variant."""

    ptq: PtqSettings
    spare: float = 0.01
    """That share of the network's size is for layers that int8 costs most; not if ``mixed``."""
    mixed: bool = False
    """Int8 only where it costs no accuracy and wins time by count."""
    keep_accuracy: float | None = None
    """Share of the parent's; None without ``mixed``: what its proof asks for is enough."""
    per_layer: bool = False
    """Whether the manifest lists what each layer costs."""
