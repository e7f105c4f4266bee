"""RTMPose and its backbone CSPNeXt, under mmpose's names.

Jiang et al. 2023, Lyu et al. 2022. One object is in the
middle of the input; a keypoint's position is classified, x and y apart (SimCC, Li et al. 2022).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from piyard.models.architectures.yolo_blocks import Conv, max_pools

# RTMPose's configurations ask for mmcv's own batch normalisation, not for the backbone's 1e-3.
MmposeConv = partial(Conv, eps=1e-5)


class CspNext(nn.Module):
    """From pictures to the map at stride 32, of 16 times the width."""

    def __init__(self, width: int, depth: float) -> None:
        super().__init__()
        short, long = (max(round(number * depth), 1) for number in (3, 6))
        half = width // 2
        self.stem = nn.Sequential(
            MmposeConv(3, half, 3, 2), MmposeConv(half, half, 3), MmposeConv(half, width, 3)
        )
        self.stage1 = _stage(width, short)
        self.stage2 = _stage(2 * width, long)
        self.stage3 = _stage(4 * width, long)
        self.stage4 = nn.Sequential(
            MmposeConv(8 * width, 16 * width, 3, 2),
            CspNextPyramid(16 * width),
            CspNextLayer(16 * width, short, shortcut=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, 16 x width, rows / 32, columns / 32)."""
        out: Tensor = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        return out


def _stage(before: int, repeats: int) -> nn.Sequential:
    return nn.Sequential(MmposeConv(before, 2 * before, 3, 2), CspNextLayer(2 * before, repeats))


class CspNextLayer(nn.Module):
    """Half of the channels through the blocks, the other half past them; then all are weighed."""

    def __init__(self, channels: int, repeats: int, *, shortcut: bool = True) -> None:
        super().__init__()
        half = channels // 2
        self.main_conv = MmposeConv(channels, half)
        self.short_conv = MmposeConv(channels, half)
        self.final_conv = MmposeConv(2 * half, channels)
        self.blocks = nn.Sequential(
            *(CspNextBlock(half, shortcut=shortcut) for _ in range(repeats))
        )
        self.attention = ChannelAttention(2 * half)

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        both = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], 1)
        out: Tensor = self.final_conv(self.attention(both))
        return out


class CspNextBlock(nn.Module):
    """3x3, then 5x5 of a channel each with 1x1."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = MmposeConv(channels, channels, 3)
        self.conv2 = SeparableConv(channels, 5)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        y: Tensor = self.conv2(self.conv1(x))
        return y + x if self.shortcut else y


class SeparableConv(nn.Module):
    """A convolution of a channel each, then one of 1x1."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise_conv = MmposeConv(channels, channels, kernel, groups=channels)
        self.pointwise_conv = MmposeConv(channels, channels)

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


class CspNextPyramid(nn.Module):
    """Spatial pyramid pooling (He et al. 2014)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = MmposeConv(channels, half)
        self.poolings = max_pools(5, 9, 13)
        self.conv2 = MmposeConv(4 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        x = self.conv1(x)
        m = self.poolings
        out: Tensor = self.conv2(torch.cat([x, m[0](x), m[1](x), m[2](x)], 1))
        return out


ROWS, COLUMNS, STRIDE = 256, 192, 32
BINS_PER_PIXEL = 2
"""A pixel of the input."""
HIDDEN, INNER, KEY = 256, 512, 128
"""Channels of a keypoint: outside of the attention unit, within it, and of its keys."""


class RtmposeSize(NamedTuple):
    """What makes a network a tiny or a small one."""

    width: int
    """Channels at stride 2."""
    depth: float


RTMPOSE_SIZES = {"rtmpose-t": RtmposeSize(24, 0.167), "rtmpose-s": RtmposeSize(32, 0.33)}


class Rtmpose(nn.Module):
    """Two outputs, (keypoints, 384) for x and (keypoints, 512) for y."""

    shape = (3, ROWS, COLUMNS)

    def __init__(self, size: RtmposeSize, keypoints: int) -> None:
        super().__init__()
        self.backbone = CspNext(size.width, size.depth)
        self.head = RtmposeHead(16 * size.width, keypoints)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Bins for pictures of shape (n, 3, 256, 192)."""
        outputs: tuple[Tensor, Tensor] = self.head(self.backbone(x))
        return outputs


def build_rtmpose(name: str, keypoints: int) -> Rtmpose:
    """The network of that name."""
    return Rtmpose(RTMPOSE_SIZES[name], keypoints)


class RtmposeHead(nn.Module):
    """A map a keypoint, looked at as a vector; the keypoints' vectors then look at each other."""

    def __init__(self, channels: int, keypoints: int) -> None:
        super().__init__()
        places = ROWS // STRIDE * COLUMNS // STRIDE
        self.final_layer = nn.Conv2d(channels, keypoints, 7, padding=3)
        self.mlp = nn.Sequential(ScaleNorm(places), nn.Linear(places, HIDDEN, bias=False))
        self.gau = GatedAttention()
        self.cls_x = nn.Linear(HIDDEN, BINS_PER_PIXEL * COLUMNS, bias=False)
        self.cls_y = nn.Linear(HIDDEN, BINS_PER_PIXEL * ROWS, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Bins of x and of y."""
        keypoints = self.gau(self.mlp(self.final_layer(x).flatten(2)))
        return self.cls_x(keypoints), self.cls_y(keypoints)


class ScaleNorm(nn.Module):
    """A vector divided by its root mean square (Nguyen and Salazar 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale, self.shortest = channels**-0.5, 1e-5
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        length = torch.linalg.vector_norm(x, dim=2, keepdim=True) * self.scale
        out: Tensor = x / length.clamp(min=self.shortest) * self.g
        return out


class Scale(nn.Module):
    """A factor a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        return x * self.scale


class GatedAttention(nn.Module):
    """The gated attention unit (Hua et al. 2022) with squared ReLU in place of softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.ln = ScaleNorm(HIDDEN)
        self.uv = nn.Linear(HIDDEN, 2 * INNER + KEY, bias=False)
        self.gamma = nn.Parameter(torch.ones(2, KEY))
        self.beta = nn.Parameter(torch.zeros(2, KEY))
        self.o = nn.Linear(INNER, HIDDEN, bias=False)
        self.res_scale = Scale(HIDDEN)
        self.parts, self.root = [INNER, INNER, KEY], KEY**0.5

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        parts = functional.silu(self.uv(self.ln(x)))
        gate, value, base = torch.split(parts, self.parts, 2)
        query = base * self.gamma[0] + self.beta[0]
        key = base * self.gamma[1] + self.beta[1]
        weight = torch.relu(torch.bmm(query, key.transpose(1, 2)) / self.root).square()
        out: Tensor = self.res_scale(x) + self.o(gate * torch.bmm(weight, value))
        return out
