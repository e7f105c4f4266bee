"""YOLOv8, YOLO11 and YOLO26 of Ultralytics, written anew from their published structure.

Parameters are called as in the official checkpoints: ``model.<place>.…``, where the place counts
all layers, also those that have no parameters. An input's sides are multiples of 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from piyard.models.architectures.yolo_blocks import (
    C2PSA,
    SPPF,
    AttentiveC3k2,
    C2f,
    C3k2,
    Concat,
    Conv,
)
from piyard.models.architectures.yolo_heads import (
    Classify,
    Detect,
    EndToEndDetect,
    Obb,
    Pose,
    Segment,
)

Widths = tuple[int, int, int, int, int]
"""Channels at strides 2, 4, 8, 16 and 32."""


class YoloSize(NamedTuple):
    """What makes a network a nano or a small one."""

    widths: Widths
    depth: float
    """Of the number of blocks a stage has in the largest network."""

    def repeats(self, number: int) -> int:
        """So many blocks instead of ``number``."""
        return max(round(number * self.depth), 1)


YOLO_SIZES = {
    "yolov8n": YoloSize((16, 32, 64, 128, 256), 0.33),
    "yolov8s": YoloSize((32, 64, 128, 256, 512), 0.33),
    "yolo11n": YoloSize((16, 32, 64, 128, 256), 0.5),
    "yolo11s": YoloSize((32, 64, 128, 256, 512), 0.5),
    "yolo26n": YoloSize((16, 32, 64, 128, 256), 0.5),
    "yolo26s": YoloSize((32, 64, 128, 256, 512), 0.5),
}


def _yolov8_backbone(size: YoloSize) -> list[nn.Module]:
    """YOLOv8's first nine layers, down to stride 32."""
    w2, w4, w8, w16, w32 = size.widths
    short, long = size.repeats(3), size.repeats(6)
    return [
        Conv(3, w2, 3, 2),
        Conv(w2, w4, 3, 2),
        C2f(w4, w4, short, shortcut=True),
        Conv(w4, w8, 3, 2),
        C2f(w8, w8, long, shortcut=True),
        Conv(w8, w16, 3, 2),
        C2f(w16, w16, long, shortcut=True),
        Conv(w16, w32, 3, 2),
        C2f(w32, w32, short, shortcut=True),
    ]


class Yolov8Network(nn.Module):
    """Backbone, path aggregation neck and a head that looks at strides 8, 16 and 32."""

    def __init__(self, size: YoloSize, head: nn.Module) -> None:
        super().__init__()
        _, _, w8, w16, w32 = size.widths
        short = size.repeats(3)
        self.model = nn.ModuleList(
            [
                *_yolov8_backbone(size),
                SPPF(w32, w32),
                nn.Upsample(scale_factor=2.0),
                Concat(),
                C2f(w32 + w16, w16, short),
                nn.Upsample(scale_factor=2.0),
                Concat(),
                C2f(w16 + w8, w8, short),
                Conv(w8, w8, 3, 2),
                Concat(),
                C2f(w8 + w16, w16, short),
                Conv(w16, w16, 3, 2),
                Concat(),
                C2f(w16 + w32, w32, short),
                head,
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps of the head for pictures of shape (n, 3, rows, columns)."""
        m = self.model
        p8 = m[4](m[3](m[2](m[1](m[0](x)))))
        p16 = m[6](m[5](p8))
        p32 = m[9](m[8](m[7](p16)))
        up16 = m[12](m[11](m[10](p32), p16))
        out8 = m[15](m[14](m[13](up16), p8))
        out16 = m[18](m[17](m[16](out8), up16))
        out32 = m[21](m[20](m[19](out16), p32))
        return _maps(m[22](out8, out16, out32))


def _yolo11_backbone(size: YoloSize) -> list[nn.Module]:
    """YOLO11's first nine layers, down to stride 32."""
    w2, w4, w8, w16, w32 = size.widths
    n = size.repeats(2)
    return [
        Conv(3, w2, 3, 2),
        Conv(w2, w4, 3, 2),
        C3k2(w4, w8, n, share=0.25),
        Conv(w8, w8, 3, 2),
        C3k2(w8, w16, n, share=0.25),
        Conv(w16, w16, 3, 2),
        C3k2(w16, w16, n, deep=True),
        Conv(w16, w32, 3, 2),
        C3k2(w32, w32, n, deep=True),
    ]


class Yolo11Network(nn.Module):
    """YOLOv8 with lighter blocks, and attention at stride 32."""

    def __init__(self, size: YoloSize, head: nn.Module) -> None:
        super().__init__()
        _, _, w8, w16, w32 = size.widths
        n = size.repeats(2)
        self.model = nn.ModuleList(
            [
                *_yolo11_backbone(size),
                SPPF(w32, w32),
                C2PSA(w32, n),
                nn.Upsample(scale_factor=2.0),
                Concat(),
                C3k2(w32 + w16, w16, n),
                nn.Upsample(scale_factor=2.0),
                Concat(),
                C3k2(w16 + w16, w8, n),
                Conv(w8, w8, 3, 2),
                Concat(),
                C3k2(w8 + w16, w16, n),
                Conv(w16, w16, 3, 2),
                Concat(),
                C3k2(w16 + w32, w32, n, deep=True),
                head,
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps of the head for pictures of shape (n, 3, rows, columns)."""
        return _yolo11_maps(self.model, x)


def _yolo11_maps(m: nn.ModuleList, x: Tensor) -> tuple[Tensor, ...]:
    """What the layers of YOLO11 and of YOLO26 compute one after another."""
    p8 = m[4](m[3](m[2](m[1](m[0](x)))))
    p16 = m[6](m[5](p8))
    p32 = m[10](m[9](m[8](m[7](p16))))
    up16 = m[13](m[12](m[11](p32), p16))
    out8 = m[16](m[15](m[14](up16), p8))
    out16 = m[19](m[18](m[17](out8), up16))
    out32 = m[22](m[21](m[20](out16), p32))
    return _maps(m[23](out8, out16, out32))


class Yolo26Network(nn.Module):
    """YOLO11 with deep blocks in the neck too, attention at its end, and an end-to-end head."""

    def __init__(self, size: YoloSize, classes: int) -> None:
        super().__init__()
        _, _, w8, w16, w32 = size.widths
        n = size.repeats(2)
        self.model = nn.ModuleList(
            [
                *_yolo11_backbone(size),
                SPPF(w32, w32, linear=True),
                C2PSA(w32, n),
                nn.Upsample(scale_factor=2.0),
                Concat(),
                C3k2(w32 + w16, w16, n, deep=True),
                nn.Upsample(scale_factor=2.0),
                Concat(),
                C3k2(w16 + w16, w8, n, deep=True),
                Conv(w8, w8, 3, 2),
                Concat(),
                C3k2(w8 + w16, w16, n, deep=True),
                Conv(w16, w16, 3, 2),
                Concat(),
                AttentiveC3k2(w16 + w32, w32, size.repeats(1)),
                EndToEndDetect((w8, w16, w32), classes),
            ]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps of the head for pictures of shape (n, 3, rows, columns)."""
        return _yolo11_maps(self.model, x)


CLASSIFIER_EPS = 1e-5
"""What Ultralytics' classifiers add to a variance: torch's own, where its others add 1e-3."""


class YoloClassifier(nn.Module):
    """The backbone of one of them, and a head that looks at all places of stride 32 together."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.model = nn.ModuleList(layers)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = CLASSIFIER_EPS

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits (n, classes) of pictures of shape (n, 3, rows, columns)."""
        for layer in self.model:
            x = layer(x)
        return (x,)


def yolov8_classifier(size: YoloSize, classes: int) -> YoloClassifier:
    """YOLOv8's backbone without the pooling pyramid."""
    return YoloClassifier([*_yolov8_backbone(size), Classify(size.widths[-1], classes)])


def yolo11_classifier(size: YoloSize, classes: int) -> YoloClassifier:
    """YOLO11's backbone without the pooling pyramid, with its attention."""
    wide = size.widths[-1]
    attention = C2PSA(wide, size.repeats(2))
    return YoloClassifier([*_yolo11_backbone(size), attention, Classify(wide, classes)])


def build_yolo(name: str, classes: int, keypoints: int) -> nn.Module:
    """The network of that name: version, size, then what its head is for."""
    base, _, task = name.partition("-")
    size, is_light = YOLO_SIZES[base], base.startswith("yolo11")
    if base.startswith("yolo26"):
        return Yolo26Network(size, classes)
    if task == "cls":
        return (yolo11_classifier if is_light else yolov8_classifier)(size, classes)
    levels = size.widths[2:]
    head: nn.Module
    if task == "seg":
        head = Segment(levels, classes, light=is_light)
    elif task == "pose":
        head = Pose(levels, classes, keypoints, light=is_light)
    elif task == "obb":
        head = Obb(levels, classes, light=is_light)
    else:
        head = Detect(levels, classes, light=is_light)
    return Yolo11Network(size, head) if is_light else Yolov8Network(size, head)


def _maps(output: Any) -> tuple[Tensor, ...]:
    maps: tuple[torch.Tensor, ...] = output
    return maps
