"""Layers that several networks are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, SiLU: ``conv`` and ``bn`` in all of them.

    Padded so that a map keeps its size, or is divided by the stride.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        eps: float = 1e-3,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=eps, momentum=0.03)
        self.act = nn.Identity() if linear else nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The same number of places, or a stride-th of them each way."""
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


def max_pools(*kernels: int) -> nn.ModuleList:
    """Maximum pooling that keeps a map's size, one a kernel."""
    return nn.ModuleList(nn.MaxPool2d(kernel, 1, kernel // 2) for kernel in kernels)


class Upsample2x(nn.Module):
    """Twice the rows and columns, each place four times.

    What nn.Upsample computes, called directly: scripted, that one first looks how many
    dimensions there are, and pnnx cannot read the answers.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, twice the rows, twice the columns)."""
        out: Tensor = torch.ops.aten.upsample_nearest2d(x, None, [2.0, 2.0])
        return out


class FrozenBatchNorm(nn.Module):
    """Four buffers under torchvision's names: none of them counts as a parameter.

    torchvision's own class writes the sum out, which pnnx does not fold into a convolution.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("weight", "running_var"):
            self.register_buffer(name, torch.ones(channels))
        for name in ("bias", "running_mean"):
            self.register_buffer(name, torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)
