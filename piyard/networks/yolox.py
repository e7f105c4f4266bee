"""YOLOX of Megvii (Ge et al. 2021), written anew; parameters are called as in its checkpoints.

An input's sides are multiples of 32. A checkpoint of ByteTrack's authors fits too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from piyard.networks.layers import Conv, Double
from piyard.networks.yolox_blocks import CSPLayer, Pyramid, Size, Stem, three

T = Tensor
Outputs = tuple[T, T, T, T, T, T, T, T, T]
"""TorchScript wants to know how many there are."""

SIZES = {
    "yolox_nano": Size(16, depthwise=True),
    "yolox_tiny": Size(24),
    "yolox_s": Size(32),
}


class Yolox(nn.Module):
    """Strides 8, 16 and 32; nine outputs: box, object and classes of each."""

    def __init__(self, size: Size, classes: int) -> None:
        super().__init__()
        self.backbone = Neck(size)
        self.head = Head(size, classes)

    def forward(self, x: Tensor) -> Outputs:
        """Maps for pictures of shape (n, 3, rows, columns), levels 0..255."""
        p8, p16, p32 = self.backbone(x)
        outputs: Outputs = self.head(p8, p16, p32)
        return outputs


def build(name: str, classes: int) -> Yolox:
    """The network of that name."""
    return Yolox(SIZES[name], classes)


class Darknet(nn.Module):
    """The backbone: strides 8, 16 and 32 with 4, 8 and 16 times the width."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        w, short, long = size.width, size.depth, 3 * size.depth
        self.stem = Stem(w)
        self.dark2 = _stage(size, w, short)
        self.dark3 = _stage(size, 2 * w, long)
        self.dark4 = _stage(size, 4 * w, long)
        self.dark5 = nn.Sequential(
            three(size, 8 * w, 16 * w, 2),
            Pyramid(16 * w),
            CSPLayer(size, 16 * w, 16 * w, short),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of the three strides."""
        p8 = self.dark3(self.dark2(self.stem(x)))
        p16 = self.dark4(p8)
        return p8, p16, self.dark5(p16)


def _stage(size: Size, before: int, repeats: int) -> nn.Sequential:
    after = 2 * before
    return nn.Sequential(
        three(size, before, after, 2), CSPLayer(size, after, after, repeats, shortcut=True)
    )


class Neck(nn.Module):
    """Path aggregation (Liu et al. 2018): down to stride 8, and up again."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        w8, w16, w32 = 4 * size.width, 8 * size.width, 16 * size.width
        n = size.depth
        self.backbone = Darknet(size)
        self.upsample = Double()
        self.lateral_conv0 = Conv(w32, w16)
        self.C3_p4 = CSPLayer(size, 2 * w16, w16, n)
        self.reduce_conv1 = Conv(w16, w8)
        self.C3_p3 = CSPLayer(size, 2 * w8, w8, n)
        self.bu_conv2 = three(size, w8, w8, 2)
        self.C3_n3 = CSPLayer(size, 2 * w8, w16, n)
        self.bu_conv1 = three(size, w16, w16, 2)
        self.C3_n4 = CSPLayer(size, 2 * w16, w32, n)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of the three strides."""
        p8, p16, p32 = self.backbone(x)
        narrow32 = self.lateral_conv0(p32)
        up16 = self.C3_p4(torch.cat([self.upsample(narrow32), p16], 1))
        narrow16 = self.reduce_conv1(up16)
        out8 = self.C3_p3(torch.cat([self.upsample(narrow16), p8], 1))
        out16 = self.C3_n3(torch.cat([self.bu_conv2(out8), narrow16], 1))
        out32 = self.C3_n4(torch.cat([self.bu_conv1(out16), narrow32], 1))
        return out8, out16, out32


class Head(nn.Module):
    """Two branches a level: classes, and box with object."""

    def __init__(self, size: Size, classes: int) -> None:
        super().__init__()
        w = 4 * size.width
        levels = (w, 2 * w, 4 * w)
        self.stems = nn.ModuleList(Conv(channels, w) for channels in levels)
        self.cls_convs = nn.ModuleList(_branch(size, w) for _ in levels)
        self.reg_convs = nn.ModuleList(_branch(size, w) for _ in levels)
        self.cls_preds = nn.ModuleList(nn.Conv2d(w, classes, 1) for _ in levels)
        self.reg_preds = nn.ModuleList(nn.Conv2d(w, 4, 1) for _ in levels)
        self.obj_preds = nn.ModuleList(nn.Conv2d(w, 1, 1) for _ in levels)

    def forward(self, p8: Tensor, p16: Tensor, p32: Tensor) -> Outputs:
        """The outputs of the three levels, no sigmoid applied."""
        p8, p16, p32 = self.stems[0](p8), self.stems[1](p16), self.stems[2](p32)
        box8, box16, box32 = self.reg_convs[0](p8), self.reg_convs[1](p16), self.reg_convs[2](p32)
        is8, is16, is32 = self.cls_convs[0](p8), self.cls_convs[1](p16), self.cls_convs[2](p32)
        at8 = self.reg_preds[0](box8), self.obj_preds[0](box8), self.cls_preds[0](is8)
        at16 = self.reg_preds[1](box16), self.obj_preds[1](box16), self.cls_preds[1](is16)
        at32 = self.reg_preds[2](box32), self.obj_preds[2](box32), self.cls_preds[2](is32)
        return (*at8, *at16, *at32)


def _branch(size: Size, channels: int) -> nn.Sequential:
    return nn.Sequential(three(size, channels, channels), three(size, channels, channels))
