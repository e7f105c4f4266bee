"""The networks piyard can build, by name: torchvision's classification nets.

A name is looked up here and nowhere else: a YAML file never decides what code runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.errors import unknown

if TYPE_CHECKING:
    import torch

# Those whose conversion has been proved, with random weights at least. Nets with squeeze-and-excite
# (EfficientNet, MobileNetV3, RegNetY) fail the fp16 proof so: they wait for real weights.
NAMES = frozenset(
    {
        "alexnet",
        "mnasnet1_0",
        "mobilenet_v2",
        "resnet101",
        "resnet18",
        "resnet34",
        "resnet50",
        "shufflenet_v2_x1_0",
        "squeezenet1_0",
        "squeezenet1_1",
    }
)


def build(name: str, classes: int) -> torch.nn.Module:
    """The network with torchvision's initial weights, in evaluation mode."""
    from piyard.torch_shim import torchvision_models

    if name not in NAMES:
        raise unknown("network", name, NAMES)
    network: torch.nn.Module = getattr(torchvision_models(), name)(num_classes=classes)
    return network.eval()
