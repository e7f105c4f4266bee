"""RTMPose (Jiang et al. 2023), written anew; parameters are called as in mmpose's checkpoints.

One object in the middle of the input; a keypoint's place is classified, x and y apart ("SimCC", Li
et al. 2022).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from piyard.networks.cspnext import Backbone

ROWS, COLUMNS, STRIDE = 256, 192, 32
BINS = 2
"""A pixel of the input."""
HIDDEN, INNER, KEY = 256, 512, 128
"""Channels of a keypoint: outside of the attention unit, within it, and of its keys."""


class Size(NamedTuple):
    """What makes a network a tiny or a small one."""

    width: int
    """Channels at stride 2."""
    depth: float


SIZES = {"rtmpose-t": Size(24, 0.167), "rtmpose-s": Size(32, 0.33)}


class Rtmpose(nn.Module):
    """Two outputs, (keypoints, 384) for x and (keypoints, 512) for y."""

    shape = (3, ROWS, COLUMNS)

    def __init__(self, size: Size, keypoints: int) -> None:
        super().__init__()
        self.backbone = Backbone(size.width, size.depth)
        self.head = Head(16 * size.width, keypoints)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Bins for pictures of shape (n, 3, 256, 192)."""
        outputs: tuple[Tensor, Tensor] = self.head(self.backbone(x))
        return outputs


def build(name: str, keypoints: int) -> Rtmpose:
    """The network of that name."""
    return Rtmpose(SIZES[name], keypoints)


class Head(nn.Module):
    """A map a keypoint, looked at as a vector; the keypoints' vectors then look at each other."""

    def __init__(self, channels: int, keypoints: int) -> None:
        super().__init__()
        places = ROWS // STRIDE * COLUMNS // STRIDE
        self.final_layer = nn.Conv2d(channels, keypoints, 7, padding=3)
        self.mlp = nn.Sequential(ScaleNorm(places), nn.Linear(places, HIDDEN, bias=False))
        self.gau = GatedAttention()
        self.cls_x = nn.Linear(HIDDEN, BINS * COLUMNS, bias=False)
        self.cls_y = nn.Linear(HIDDEN, BINS * ROWS, bias=False)

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
