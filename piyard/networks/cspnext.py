"""CSPNeXt, the backbone of RTMPose and RTMDet (Lyu et al. 2022), under mmpose's names."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from piyard.networks import layers

# RTMPose's configurations ask for mmcv's own batch normalisation, not for the backbone's 1e-3.
Conv = partial(layers.Conv, eps=1e-5)


class Backbone(nn.Module):
    """From pictures to the map at stride 32, of 16 times the width."""

    def __init__(self, width: int, depth: float) -> None:
        super().__init__()
        short, long = (max(round(number * depth), 1) for number in (3, 6))
        half = width // 2
        self.stem = nn.Sequential(Conv(3, half, 3, 2), Conv(half, half, 3), Conv(half, width, 3))
        self.stage1 = _stage(width, short)
        self.stage2 = _stage(2 * width, long)
        self.stage3 = _stage(4 * width, long)
        self.stage4 = nn.Sequential(
            Conv(8 * width, 16 * width, 3, 2),
            Pyramid(16 * width),
            CSPLayer(16 * width, short, shortcut=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, 16 x width, rows / 32, columns / 32)."""
        out: Tensor = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        return out


def _stage(before: int, repeats: int) -> nn.Sequential:
    return nn.Sequential(Conv(before, 2 * before, 3, 2), CSPLayer(2 * before, repeats))


class CSPLayer(nn.Module):
    """Half of the channels through the blocks, the other half past them; then all are weighed."""

    def __init__(self, channels: int, repeats: int, *, shortcut: bool = True) -> None:
        super().__init__()
        half = channels // 2
        self.main_conv = Conv(channels, half)
        self.short_conv = Conv(channels, half)
        self.final_conv = Conv(2 * half, channels)
        self.blocks = nn.Sequential(*(Block(half, shortcut=shortcut) for _ in range(repeats)))
        self.attention = ChannelAttention(2 * half)

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        both = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], 1)
        out: Tensor = self.final_conv(self.attention(both))
        return out


class Block(nn.Module):
    """3x3, then 5x5 of a channel each with 1x1."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = Conv(channels, channels, 3)
        self.conv2 = Separable(channels, 5)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        y: Tensor = self.conv2(self.conv1(x))
        return y + x if self.shortcut else y


class Separable(nn.Module):
    """A convolution of a channel each, then one of 1x1."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise_conv = Conv(channels, channels, kernel, groups=channels)
        self.pointwise_conv = Conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        out: Tensor = self.pointwise_conv(self.depthwise_conv(x))
        return out


class ChannelAttention(nn.Module):
    """Each channel times a weight between 0 and 1 that the means of all decide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Conv2d(channels, channels, 1)
        self.act = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        weight: Tensor = self.act(self.fc(self.mean(x)))
        return x * weight


class Pyramid(nn.Module):
    """Spatial pyramid pooling (He et al. 2014)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = Conv(channels, half)
        self.poolings = layers.pools(5, 9, 13)
        self.conv2 = Conv(4 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        x = self.conv1(x)
        m = self.poolings
        out: Tensor = self.conv2(torch.cat([x, m[0](x), m[1](x), m[2](x)], 1))
        return out
