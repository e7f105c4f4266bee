"""torchvision's ``fcos_resnet50_fpn`` (Tian et al. 2019) up to its last convolutions.

Backbone and head are torchvision's own modules, so that its weights load unchanged; what it does
to pictures before and to boxes afterwards is left out. An input's sides are multiples of 128.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 256
LEVELS = ("0", "1", "2", "p6", "p7")
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
        self.backbone = _backbone(torchvision)
        self.head = torchvision.detection.fcos.FCOSHead(CHANNELS, 1, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps for pictures of shape (n, 3, rows, columns)."""
        maps = self.backbone(x)
        outputs: list[Tensor] = []
        for level in LEVELS:
            outputs += _heads(self.head, maps[level])
        return tuple(outputs)


def _heads(head: Any, x: Tensor) -> list[Tensor]:
    """What torchvision's head computes before it reshapes and joins the levels."""
    what, where = head.classification_head, head.regression_head
    sides = where.conv(x)
    return [what.cls_logits(what.conv(x)), where.bbox_reg(sides), where.bbox_ctrness(sides)]


def _backbone(models: Any) -> nn.Module:
    parts = models.detection.fcos
    backbone: nn.Module = models.detection.backbone_utils.BackboneWithFPN(
        models.resnet50(norm_layer=FrozenBatchNorm),
        {"layer2": "0", "layer3": "1", "layer4": "2"},
        [512, 1024, 2048],
        CHANNELS,
        extra_blocks=parts.LastLevelP6P7(CHANNELS, CHANNELS),
    )
    return backbone
