"""The blocks of YOLOv8, 11 and 26; YOLOX and RTMPose share the first of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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


class Bottleneck(nn.Module):
    """Two 3x3 convolutions, added to the input if ``shortcut``."""

    def __init__(self, channels: int, *, shortcut: bool, share: float = 1.0) -> None:
        super().__init__()
        inner = int(channels * share)
        self.cv1 = Conv(channels, inner, 3)
        self.cv2 = Conv(inner, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    """Half of the channels go through the blocks one after another; each one's output is kept."""

    def __init__(
        self, before: int, after: int, repeats: int, *, shortcut: bool = False, share: float = 0.5
    ) -> None:
        super().__init__()
        self.inner = int(after * share)
        self.cv1 = Conv(before, 2 * self.inner)
        self.cv2 = Conv((2 + repeats) * self.inner, after)
        self.m = nn.ModuleList(self._block(shortcut=shortcut) for _ in range(repeats))

    def _block(self, *, shortcut: bool) -> nn.Module:
        return Bottleneck(self.inner, shortcut=shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """As many places, ``after`` channels."""
        kept = list(self.cv1(x).chunk(2, 1))
        for block in self.m:
            kept.append(block(kept[-1]))
        out: Tensor = self.cv2(torch.cat(kept, 1))
        return out


class C3k(nn.Module):
    """Half of the channels through two bottlenecks, the other half past them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.cv1 = Conv(channels, half)
        self.cv2 = Conv(channels, half)
        self.cv3 = Conv(2 * half, channels)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut=True) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        out: Tensor = self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], 1))
        return out


class C3k2(C2f):
    """YOLO11's C2f: narrow bottlenecks, or a whole C3k each where it is ``deep``."""

    def __init__(
        self, before: int, after: int, repeats: int, *, deep: bool = False, share: float = 0.5
    ) -> None:
        self.deep = deep
        super().__init__(before, after, repeats, shortcut=True, share=share)

    def _block(self, *, shortcut: bool) -> nn.Module:
        if self.deep:
            return C3k(self.inner)
        return Bottleneck(self.inner, shortcut=shortcut, share=0.5)


class SPPF(nn.Module):
    """Spatial pyramid pooling: the same 5x5 maximum three times, all four maps together.

    YOLO26's has no activation before it, and adds what went in.
    """

    def __init__(self, before: int, after: int, *, linear: bool = False) -> None:
        super().__init__()
        self.cv1 = Conv(before, before // 2, linear=linear)
        self.shortcut = linear
        self.cv2 = Conv(before * 2, after)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """As many places, ``after`` channels."""
        once = self.cv1(x)
        twice = self.m(once)
        thrice = self.m(twice)
        out: Tensor = self.cv2(torch.cat([once, twice, thrice, self.m(thrice)], 1))
        return out + x if self.shortcut else out


class Attention(nn.Module):
    """Every place looks at every other one; keys have half the channels of values."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(channels // 64, 1)
        self.value = channels // self.heads
        self.key = self.value // 2
        self.qkv = Conv(channels, channels + 2 * self.heads * self.key, linear=True)
        self.proj = Conv(channels, channels, linear=True)
        self.pe = Conv(channels, channels, 3, groups=channels, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        n, channels, rows, columns = x.shape
        parts = self.qkv(x).view(n, self.heads, 2 * self.key + self.value, rows * columns)
        query, key, value = parts.split([self.key, self.key, self.value], dim=2)
        weight = (query.transpose(-2, -1) @ key * self.key**-0.5).softmax(dim=-1)
        seen = (value @ weight.transpose(-2, -1)).view(n, channels, rows, columns)
        out: Tensor = self.proj(seen + self.pe(value.reshape(n, channels, rows, columns)))
        return out


class PSABlock(nn.Module):
    """Attention, then a mixing of each place's channels; both are added to what went in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attn = Attention(channels)
        self.ffn = nn.Sequential(
            Conv(channels, 2 * channels), Conv(2 * channels, channels, linear=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        seen = x + self.attn(x)
        out: Tensor = seen + self.ffn(seen)
        return out


class C2PSA(nn.Module):
    """Half of the channels through the attention blocks."""

    def __init__(self, channels: int, repeats: int) -> None:
        super().__init__()
        half = channels // 2
        self.cv1 = Conv(channels, 2 * half)
        self.cv2 = Conv(2 * half, channels)
        self.m = nn.Sequential(*(PSABlock(half) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        past, through = self.cv1(x).chunk(2, 1)
        out: Tensor = self.cv2(torch.cat([past, self.m(through)], 1))
        return out


class AttentiveC3k2(C2f):
    """YOLO26's last C3k2: a bottleneck, then an attention block."""

    def __init__(self, before: int, after: int, repeats: int) -> None:
        super().__init__(before, after, repeats)

    def _block(self, *, shortcut: bool) -> nn.Module:
        del shortcut
        bottleneck = Bottleneck(self.inner, shortcut=True, share=0.5)
        return nn.Sequential(bottleneck, PSABlock(self.inner))


class Concat(nn.Module):
    """Two maps of the same size, channel after channel."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The sum of both numbers of channels."""
        return torch.cat([first, second], 1)
