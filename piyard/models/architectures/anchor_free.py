"""Detectors without anchors: FCOS (Tian et al. 2019) and YOLOX (Ge et al. 2021).

FCOS is torchvision's ``fcos_resnet50_fpn`` up to its last convolutions: backbone and head are
torchvision's own modules, so that its weights load unchanged; what it does to pictures before and
to boxes afterwards is left out. An input's sides are multiples of 128.

YOLOX of Megvii is written anew; parameters have the names of its checkpoints. An input's sides are
multiples of 32. A checkpoint of ByteTrack's authors fits too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from piyard.models.architectures.yolo_blocks import Conv, Upsample2x, max_pools

FCOS_CHANNELS = 256
FCOS_LEVELS = ("0", "1", "2", "p6", "p7")
"""torchvision's names of the maps at strides 8, 16, 32, 64 and 128."""


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


class FcosNetwork(nn.Module):
    """15 outputs: classes, sides and centredness of each level, nothing applied to them."""

    shape = (3, 192, 192)

    def __init__(self, classes: int, torchvision: Any) -> None:
        """``torchvision`` is its module ``models``."""
        super().__init__()
        self.backbone = _fcos_backbone(torchvision)
        self.head = torchvision.detection.fcos.FCOSHead(FCOS_CHANNELS, 1, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps for pictures of shape (n, 3, rows, columns)."""
        maps = self.backbone(x)
        outputs: list[Tensor] = []
        for level in FCOS_LEVELS:
            outputs += _fcos_heads(self.head, maps[level])
        return tuple(outputs)


def _fcos_heads(head: Any, x: Tensor) -> list[Tensor]:
    """What torchvision's head computes before it reshapes and joins the levels."""
    what, where = head.classification_head, head.regression_head
    sides = where.conv(x)
    return [what.cls_logits(what.conv(x)), where.bbox_reg(sides), where.bbox_ctrness(sides)]


def _fcos_backbone(models: Any) -> nn.Module:
    parts = models.detection.fcos
    backbone: nn.Module = models.detection.backbone_utils.BackboneWithFPN(
        models.resnet50(norm_layer=FrozenBatchNorm),
        {"layer2": "0", "layer3": "1", "layer4": "2"},
        [512, 1024, 2048],
        FCOS_CHANNELS,
        extra_blocks=parts.LastLevelP6P7(FCOS_CHANNELS, FCOS_CHANNELS),
    )
    return backbone


class YoloxSize(NamedTuple):
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


def conv3x3(size: YoloxSize, before: int, after: int, stride: int = 1) -> nn.Module:
    """A 3x3 convolution of the kind that networks of this size have."""
    return Depthwise(before, after, stride) if size.depthwise else Conv(before, after, 3, stride)


class YoloxBottleneck(nn.Module):
    """1x1 and 3x3, added to the input if ``shortcut``."""

    def __init__(self, size: YoloxSize, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = Conv(channels, channels)
        self.conv2 = conv3x3(size, channels, channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        y: Tensor = self.conv2(self.conv1(x))
        return y + x if self.shortcut else y


class CSPLayer(nn.Module):
    """Half of the channels through the bottlenecks, the other half past them."""

    def __init__(
        self, size: YoloxSize, before: int, after: int, repeats: int, *, shortcut: bool = False
    ) -> None:
        super().__init__()
        half = after // 2
        self.conv1 = Conv(before, half)
        self.conv2 = Conv(before, half)
        self.conv3 = Conv(2 * half, after)
        self.m = nn.Sequential(
            *(YoloxBottleneck(size, half, shortcut=shortcut) for _ in range(repeats))
        )

    def forward(self, x: Tensor) -> Tensor:
        """As many places, ``after`` channels."""
        out: Tensor = self.conv3(torch.cat([self.m(self.conv1(x)), self.conv2(x)], 1))
        return out


class YoloxPyramid(nn.Module):
    """Spatial pyramid pooling (He et al. 2014)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = Conv(channels, half)
        self.m = max_pools(5, 9, 13)
        self.conv2 = Conv(4 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """As many channels and places."""
        x = self.conv1(x)
        out: Tensor = self.conv2(torch.cat([x, self.m[0](x), self.m[1](x), self.m[2](x)], 1))
        return out


T = Tensor
Outputs = tuple[T, T, T, T, T, T, T, T, T]
"""TorchScript wants to know how many there are."""

YOLOX_SIZES = {
    "yolox_nano": YoloxSize(16, depthwise=True),
    "yolox_tiny": YoloxSize(24),
    "yolox_s": YoloxSize(32),
}


class YoloxNetwork(nn.Module):
    """Strides 8, 16 and 32; nine outputs: box, object and classes of each."""

    def __init__(self, size: YoloxSize, classes: int) -> None:
        super().__init__()
        self.backbone = YoloxNeck(size)
        self.head = YoloxHead(size, classes)

    def forward(self, x: Tensor) -> Outputs:
        """Maps for pictures of shape (n, 3, rows, columns), levels 0..255."""
        p8, p16, p32 = self.backbone(x)
        outputs: Outputs = self.head(p8, p16, p32)
        return outputs


def build_yolox(name: str, classes: int) -> YoloxNetwork:
    """The network of that name."""
    return YoloxNetwork(YOLOX_SIZES[name], classes)


class Darknet(nn.Module):
    """The backbone: strides 8, 16 and 32 with 4, 8 and 16 times the width."""

    def __init__(self, size: YoloxSize) -> None:
        super().__init__()
        w, short, long = size.width, size.depth, 3 * size.depth
        self.stem = Stem(w)
        self.dark2 = _stage(size, w, short)
        self.dark3 = _stage(size, 2 * w, long)
        self.dark4 = _stage(size, 4 * w, long)
        self.dark5 = nn.Sequential(
            conv3x3(size, 8 * w, 16 * w, 2),
            YoloxPyramid(16 * w),
            CSPLayer(size, 16 * w, 16 * w, short),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of the three strides."""
        p8 = self.dark3(self.dark2(self.stem(x)))
        p16 = self.dark4(p8)
        return p8, p16, self.dark5(p16)


def _stage(size: YoloxSize, before: int, repeats: int) -> nn.Sequential:
    after = 2 * before
    return nn.Sequential(
        conv3x3(size, before, after, 2), CSPLayer(size, after, after, repeats, shortcut=True)
    )


class YoloxNeck(nn.Module):
    """Path aggregation (Liu et al. 2018): down to stride 8, and up again."""

    def __init__(self, size: YoloxSize) -> None:
        super().__init__()
        w8, w16, w32 = 4 * size.width, 8 * size.width, 16 * size.width
        n = size.depth
        self.backbone = Darknet(size)
        self.upsample = Upsample2x()
        self.lateral_conv0 = Conv(w32, w16)
        self.C3_p4 = CSPLayer(size, 2 * w16, w16, n)
        self.reduce_conv1 = Conv(w16, w8)
        self.C3_p3 = CSPLayer(size, 2 * w8, w8, n)
        self.bu_conv2 = conv3x3(size, w8, w8, 2)
        self.C3_n3 = CSPLayer(size, 2 * w8, w16, n)
        self.bu_conv1 = conv3x3(size, w16, w16, 2)
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


class YoloxHead(nn.Module):
    """Two branches a level: classes, and box with object."""

    def __init__(self, size: YoloxSize, classes: int) -> None:
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


def _branch(size: YoloxSize, channels: int) -> nn.Sequential:
    return nn.Sequential(conv3x3(size, channels, channels), conv3x3(size, channels, channels))
