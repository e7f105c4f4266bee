"""A family of small classifiers, for small pictures and for learning on a desktop.

A first convolution with stride 2, three stages of blocks, the mean over rows and columns, a linear
layer. The stages have ``width``, twice and four times as many channels, ``depth`` blocks each, and
the second and third begin with stride 2. A block is a depthwise convolution and one of 1 x 1, as
MobileNet's (https://arxiv.org/abs/1704.04861, section 3.1), or in a ``dense`` network one plain
convolution; batch normalisation and ReLU follow each. Any picture of at least 8 x 8 will do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from piyard.core.errors import WrongInput

if TYPE_CHECKING:
    import torch
    from torch import nn


SMALL_CNN = "small_cnn"
PATTERN = re.compile(
    rf"{SMALL_CNN}(/w(?P<width>\d{{1,3}})-d(?P<depth>\d)-k(?P<kernel>[357])"
    r"(?P<dense>-dense)?(-c(?P<channels>[134]))?)?"
)
FORM = f"{SMALL_CNN}/w16-d2-k3, with -dense and -c3 behind it where they apply"
"""What a name looks like, for people."""
STAGES = 3
SIDE = 28
"""Rows and columns of the pictures it was made for."""


class SmallCnn(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the family."""

    width: int = 16
    """Channels of the first stage."""
    depth: int = 2
    """Blocks of a stage."""
    kernel: int = 3
    """Rows and columns of the convolutions that look beyond a pixel."""
    dense: bool = False
    channels: int = 1
    """Of a picture."""

    @property
    def name(self) -> str:
        """As `network` of a model's YAML has it."""
        dense = "-dense" if self.dense else ""
        colours = f"-c{self.channels}" if self.channels > 1 else ""
        return f"{SMALL_CNN}/w{self.width}-d{self.depth}-k{self.kernel}{dense}{colours}"


def is_small_cnn(name: str) -> bool:
    """Whether the name means one of the family."""
    return PATTERN.fullmatch(name) is not None


def parse_small_cnn(name: str) -> SmallCnn:
    """The member of that name; plain ``small_cnn`` is the default one. Raises ``WrongInput``."""
    match = PATTERN.fullmatch(name)
    if not match or match["width"] == "0" or match["depth"] == "0":
        raise WrongInput(
            f"'{name}' is not a network of the family {SMALL_CNN}", remedy=f"e.g. {FORM}"
        )
    sizes = {key: int(match[key]) for key in ("width", "depth", "kernel", "channels") if match[key]}
    return SmallCnn(**sizes, dense=bool(match["dense"]))


def build_small_cnn(member: SmallCnn, classes: int) -> torch.nn.Module:
    """Logits (n, classes) of pictures (n, channels, rows, columns)."""
    from torch import nn

    network = nn.Sequential()
    network.add_module("stem", _convolve(member.channels, member.width, member.kernel, stride=2))
    channels = member.width
    for stage in range(STAGES):
        wide = member.width << stage
        for block in range(member.depth):
            stride = 2 if stage and not block else 1
            network.add_module(f"stage{stage}_{block}", _block(member, channels, wide, stride))
            channels = wide
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", nn.Flatten())
    network.add_module("classifier", nn.Linear(channels, classes))
    network.shape = (member.channels, SIDE, SIDE)  # type: ignore[assignment]
    return network


def _block(member: SmallCnn, channels: int, wide: int, stride: int) -> nn.Sequential:
    from torch import nn

    if member.dense:
        return _convolve(channels, wide, member.kernel, stride=stride)
    return nn.Sequential(
        _convolve(channels, channels, member.kernel, stride=stride, groups=channels),
        _convolve(channels, wide, 1),
    )


def _convolve(
    channels: int, wide: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(
            channels,
            wide,
            kernel,
            stride=stride,
            padding=kernel // 2,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(wide),
        nn.ReLU(inplace=True),
    )
