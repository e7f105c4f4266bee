"""The heads of YOLOv8, 11 and 26 up to their last convolutions: nnrun decodes.

Outputs are, one level after the other: sides, classes, and what the task adds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from piyard.models.architectures.yolo_blocks import Conv

LevelWidths = tuple[int, int, int]
"""Channels at strides 8, 16 and 32."""
SIDE_BINS = 16
"""A side is a distribution over as many lengths (distribution focal loss: Li et al. 2020)."""


MASK_COEFFICIENTS = 32


CLASSIFIER_FEATURES = 1280
"""Of a classifier, before its last layer."""


class Distribution(nn.Module):
    """The mean of a distribution, as Ultralytics writes it: its fixed weights are in their files.

    It is not called here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(SIDE_BINS, 1, 1, bias=False).requires_grad_(requires_grad=False)
        self.conv.weight.data[:] = torch.arange(SIDE_BINS, dtype=torch.float).view(
            1, SIDE_BINS, 1, 1
        )


class Detect(nn.Module):
    """4 x 16 channels for the sides and one a class; 6 outputs."""

    def __init__(self, levels: LevelWidths, classes: int, *, light: bool) -> None:
        super().__init__()
        sides = max(16, levels[0] // 4, 4 * SIDE_BINS)
        hidden = max(levels[0], min(classes, 100))
        branch = _light_branch if light else _branch
        self.cv2 = nn.ModuleList(_branch(channels, sides, 4 * SIDE_BINS) for channels in levels)
        self.cv3 = nn.ModuleList(branch(channels, hidden, classes) for channels in levels)
        self.dfl = Distribution()

    def forward(self, p8: Tensor, p16: Tensor, p32: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the three levels."""
        sides, classes = self.cv2, self.cv3
        return (
            *(sides[0](p8), classes[0](p8)),
            *(sides[1](p16), classes[1](p16)),
            *(sides[2](p32), classes[2](p32)),
        )


class EndToEndDetect(nn.Module):
    """YOLO26's branch that tells each object once; sides are numbers, not distributions. 6 outputs.

    The other branch, of which training alone makes use, is left out.
    """

    def __init__(self, levels: LevelWidths, classes: int) -> None:
        super().__init__()
        sides, hidden = max(16, levels[0] // 4), max(levels[0], min(classes, 100))
        self.one2one_cv2 = nn.ModuleList(_branch(channels, sides, 4) for channels in levels)
        self.one2one_cv3 = nn.ModuleList(
            _light_branch(channels, hidden, classes) for channels in levels
        )

    def forward(self, p8: Tensor, p16: Tensor, p32: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the three levels."""
        sides, classes = self.one2one_cv2, self.one2one_cv3
        return (
            *(sides[0](p8), classes[0](p8)),
            *(sides[1](p16), classes[1](p16)),
            *(sides[2](p32), classes[2](p32)),
        )


class Segment(Detect):
    """Detect's, with 32 mask coefficients a place; then the 32 prototypes. 10 outputs."""

    def __init__(self, levels: LevelWidths, classes: int, *, light: bool) -> None:
        super().__init__(levels, classes, light=light)
        # Prototypes are as wide as the map at stride 8 is.
        self.proto = Prototypes(levels[0], levels[0])
        hidden = max(levels[0] // 4, MASK_COEFFICIENTS)
        self.cv4 = nn.ModuleList(
            _branch(channels, hidden, MASK_COEFFICIENTS) for channels in levels
        )

    def forward(self, p8: Tensor, p16: Tensor, p32: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the three levels, and the prototypes at stride 4."""
        return (*_three(self, p8, p16, p32), self.proto(p8))


class Prototypes(nn.Module):
    """Maps that an object's coefficients mix into its mask (Bolya et al. 2019, "YOLACT")."""

    def __init__(self, before: int, hidden: int) -> None:
        super().__init__()
        self.cv1 = Conv(before, hidden, 3)
        self.upsample = nn.ConvTranspose2d(hidden, hidden, 2, 2)
        self.cv2 = Conv(hidden, hidden, 3)
        self.cv3 = Conv(hidden, MASK_COEFFICIENTS)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 32, twice the rows, twice the columns)."""
        out: Tensor = self.cv3(self.cv2(self.upsample(self.cv1(x))))
        return out


class Pose(Detect):
    """Detect's, with x, y and visibility of each keypoint; 9 outputs."""

    def __init__(self, levels: LevelWidths, classes: int, keypoints: int, *, light: bool) -> None:
        super().__init__(levels, classes, light=light)
        hidden = max(levels[0] // 4, 3 * keypoints)
        self.cv4 = nn.ModuleList(_branch(channels, hidden, 3 * keypoints) for channels in levels)

    def forward(self, p8: Tensor, p16: Tensor, p32: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the three levels."""
        return _three(self, p8, p16, p32)


class Obb(Detect):
    """Detect's, with an angle a place; 9 outputs."""

    def __init__(self, levels: LevelWidths, classes: int, *, light: bool) -> None:
        super().__init__(levels, classes, light=light)
        self.cv4 = nn.ModuleList(_branch(channels, levels[0] // 4, 1) for channels in levels)

    def forward(self, p8: Tensor, p16: Tensor, p32: Tensor) -> tuple[Tensor, ...]:
        """The outputs of the three levels."""
        return _three(self, p8, p16, p32)


class Classify(nn.Module):
    """A logit a class, of the mean over all places."""

    def __init__(self, before: int, classes: int) -> None:
        super().__init__()
        self.conv = Conv(before, CLASSIFIER_FEATURES)
        self.linear = nn.Linear(CLASSIFIER_FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(n, classes)."""
        features = nn.functional.adaptive_avg_pool2d(self.conv(x), 1)
        out: Tensor = self.linear(features.flatten(1))
        return out


def _three(head: Segment | Pose | Obb, p8: Tensor, p16: Tensor, p32: Tensor) -> tuple[Tensor, ...]:
    sides, classes, more = head.cv2, head.cv3, head.cv4
    return (
        *(sides[0](p8), classes[0](p8), more[0](p8)),
        *(sides[1](p16), classes[1](p16), more[1](p16)),
        *(sides[2](p32), classes[2](p32), more[2](p32)),
    )


def _branch(before: int, hidden: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        Conv(before, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, after, 1)
    )


def _light_branch(before: int, hidden: int, after: int) -> nn.Sequential:
    """YOLO11's for the classes: each 3x3 convolution is a depthwise one and a 1x1."""
    return nn.Sequential(
        nn.Sequential(Conv(before, before, 3, groups=before), Conv(before, hidden)),
        nn.Sequential(Conv(hidden, hidden, 3, groups=hidden), Conv(hidden, hidden)),
        nn.Conv2d(hidden, after, 1),
    )
