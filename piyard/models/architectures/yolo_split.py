"""YOLO blocks whose first convolution is cut in two, with two convolutions in its place.

So each half can have a width of its own, which a cut in the middle does not allow.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from piyard.models.architectures.yolo_blocks import C2PSA, C2f, Conv


class SplitC2f(nn.Module):
    """C2f and its kin: ``past`` makes the half that is kept as it is, ``through`` the other."""

    def __init__(self, block: C2f) -> None:
        super().__init__()
        self.past, self.through = split_convolution(block.cv1)
        self.cv2, self.m = block.cv2, block.m

    def forward(self, x: Tensor) -> Tensor:
        """As many places; the channels that ``cv2`` makes."""
        kept = [self.past(x), self.through(x)]
        for block in self.m:
            kept.append(block(kept[-1]))
        out: Tensor = self.cv2(torch.cat(kept, 1))
        return out


class SplitC2PSA(nn.Module):
    """C2PSA in the same way."""

    def __init__(self, block: C2PSA) -> None:
        super().__init__()
        self.past, self.through = split_convolution(block.cv1)
        self.cv2, self.m = block.cv2, block.m

    def forward(self, x: Tensor) -> Tensor:
        """As many places; the channels that ``cv2`` makes."""
        out: Tensor = self.cv2(torch.cat([self.past(x), self.m(self.through(x))], 1))
        return out


def split_halves(block: nn.Module) -> nn.Module | None:
    """The block with two convolutions that compute the same; None for any other block."""
    if isinstance(block, C2f):
        return SplitC2f(block).train(block.training)
    return SplitC2PSA(block).train(block.training) if isinstance(block, C2PSA) else None


def split_convolution(both: Conv) -> tuple[Conv, Conv]:
    """Two that make the first and the second half of the channels of one."""
    channels = both.conv.out_channels // 2
    first, second = (_empty_half(both, channels) for _ in range(2))
    with torch.no_grad():
        for at, half in ((0, first), (channels, second)):
            chosen = slice(at, at + channels)
            half.conv.weight.copy_(both.conv.weight[chosen])
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(half.bn, name).copy_(getattr(both.bn, name)[chosen])
    return first, second


def _empty_half(both: Conv, channels: int) -> Conv:
    conv = both.conv
    linear = isinstance(both.act, nn.Identity)
    return Conv(
        conv.in_channels,
        channels,
        conv.kernel_size[0],
        conv.stride[0],
        eps=both.bn.eps,
        linear=linear,
    )
