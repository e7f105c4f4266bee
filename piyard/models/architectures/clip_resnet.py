"""CLIP's ResNet-50, whose strides are averages, and whose last pooling is attention.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision".
Tensors are named as OpenAI's checkpoint names them.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from piyard.models.architectures.clip_blocks import attend

WIDTH = 64
DEPTHS = (3, 4, 6, 3)
EXPANSION = 4
HEADS = 32
SIDE = 7
"""Places of the last maps, for pictures of 224 pixels."""


class Bottleneck(nn.Module):
    """Narrow, look around, widen; a stride is an average."""

    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride = stride
        self.conv3 = nn.Conv2d(width, width * EXPANSION, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * EXPANSION)
        changes = stride > 1 or before != width * EXPANSION
        self.downsample = _Downsample(before, width * EXPANSION, stride) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps → maps."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(functional.avg_pool2d(y, self.stride) if self.stride > 1 else y))
        return functional.relu(y + (self.downsample(x) if self.downsample is not None else x))


class _Downsample(nn.Sequential):
    """The original calls its parts -1, 0 and 1."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.add_module("-1", nn.AvgPool2d(stride) if stride > 1 else nn.Identity())
        self.add_module("0", nn.Conv2d(before, after, 1, bias=False))
        self.add_module("1", nn.BatchNorm2d(after))


class AttentionPool(nn.Module):
    """The mean of all places looks at them."""

    def __init__(self, width: int, embed: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.zeros(SIDE * SIDE + 1, width))
        self.k_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, embed)

    def draw(self, generator: torch.Generator) -> None:
        """Positions."""
        nn.init.normal_(self.positional_embedding, std=0.5, generator=generator)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(batch, width, rows, columns) → (batch, embed)."""
        x = maps.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1) + self.positional_embedding
        seen = attend(self.q_proj(x[:, :1]), self.k_proj(x), self.v_proj(x), HEADS)
        pooled: torch.Tensor = self.c_proj(seen[:, 0])
        return pooled


class ResNetEncoder(nn.Module):
    """Picture → embedding."""

    def __init__(self, embed: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH // 2)
        self.conv2 = nn.Conv2d(WIDTH // 2, WIDTH // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(WIDTH // 2)
        self.conv3 = nn.Conv2d(WIDTH // 2, WIDTH, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(WIDTH)
        before = WIDTH
        for number, depth in enumerate(DEPTHS):
            width = WIDTH << number
            blocks = [Bottleneck(before, width, 1 if number == 0 else 2)]
            before = width * EXPANSION
            blocks += [Bottleneck(before, width) for _ in range(depth - 1)]
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.attnpool = AttentionPool(before, embed)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(batch, 3, 224, 224) → (batch, embed)."""
        x = functional.relu(self.bn1(self.conv1(pictures)))
        x = functional.relu(self.bn2(self.conv2(x)))
        x = functional.avg_pool2d(functional.relu(self.bn3(self.conv3(x))), 2)
        for number in range(len(DEPTHS)):
            x = self.get_submodule(f"layer{number + 1}")(x)
        embedded: torch.Tensor = self.attnpool(x)
        return embedded
