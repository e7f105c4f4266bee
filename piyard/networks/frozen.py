"""Batch normalisation that training does not change, as torchvision's detectors have it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


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
