"""The blocks of YOLOX, under Megvii's names."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from piyard.networks.layers import Conv, pools


class Size(NamedTuple):
    """What makes a network a nano, tiny or small one."""

    width: int
    """Channels at stride 2."""
    depthwise: bool = False
    """3x3 convolutions of a channel each, then 1x1 ones."""
    depth: int = 1
    """Blocks of a short stage; a long one has three times as many."""


class Focus(nn.Conv2d):
    """A 3x3 convolution over each 2x2 square of pixels as one place of 12 channels.

    Its weights are Megvii's, (channels, 12, 3, 3). Computed is the 6x6 convolution of stride 2 that
    is the same, because ncnn has no slices with steps.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__(4 * before, after, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, after, half the rows, half the columns)."""
        return functional.conv2d(x, self.over_pixels(), stride=2, padding=2)

    def over_pixels(self) -> Tensor:
        """The weights (after, before, 6, 6). A square's pixels come column by column."""
        after, parts, rows, columns = self.weight.shape
        before = parts // 4
        squares = self.weight.reshape(after, 2, 2, before, rows, columns)
        spread = squares.permute(0, 3, 4, 2, 5, 1)
        return spread.reshape(after, before, 2 * rows, 2 * columns)


class Stem(nn.Module):
    """From pixels to stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = Conv(12, width, 3)
        self.conv.conv = Focus(3, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, half the rows, half the columns)."""
        out: Tensor = self.conv(x)
        return out


class Depthwise(nn.Module):
    """A convolution of a channel each, then one of 1x1."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.dconv = Conv(before, before, 3, stride, groups=before)
        self.pconv = Conv(before, after)

    def forward(self, x: Tensor) -> Tensor:
        """A stride-th of the places each way."""
        out: Tensor = self.pconv(self.dconv(x))
        return out


def three(size: Size, before: int, after: int, stride: int = 1) -> nn.Module:
    """A 3x3 convolution of the kind that networks of this size have."""
    return Depthwise(before, after, stride) if size.depthwise else Conv(before, after, 3, stride)


class Bottleneck(nn.Module):
    """1x1 and 3x3, added to the input if ``shortcut``."""

    def __init__(self, size: Size, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = Conv(channels, channels)
        self.conv2 = three(size, channels, channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        y: Tensor = self.conv2(self.conv1(x))
        return y + x if self.shortcut else y


class CSPLayer(nn.Module):
    """Half of the channels through the bottlenecks, the other half past them."""

    def __init__(
        self, size: Size, before: int, after: int, repeats: int, *, shortcut: bool = False
    ) -> None:
        super().__init__()
        half = after // 2
        self.conv1 = Conv(before, half)
        self.conv2 = Conv(before, half)
        self.conv3 = Conv(2 * half, after)
        self.m = nn.Sequential(*(Bottleneck(size, half, shortcut=shortcut) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        """As many places, ``after`` channels."""
        out: Tensor = self.conv3(torch.cat([self.m(self.conv1(x)), self.conv2(x)], 1))
        return out


class Pyramid(nn.Module):
    """Spatial pyramid pooling (He et al. 2014)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = Conv(channels, half)
        self.m = pools(5, 9, 13)
        self.conv2 = Conv(4 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        x = self.conv1(x)
        out: Tensor = self.conv2(torch.cat([x, self.m[0](x), self.m[1](x), self.m[2](x)], 1))
        return out
