"""The networks piyard can build, by name, with the parameter names of their official weights.

A name is looked up here and nowhere else: a YAML file never decides what code runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piyard.errors import unknown
from piyard.torch_shim import torchvision_models

if TYPE_CHECKING:
    import torch

# Those whose conversion has been proved, with random weights at least. Nets with squeeze-and-excite
# (EfficientNet, MobileNetV3, RegNetY) fail the fp16 proof so: they wait for real weights.
CLASSIFIERS = frozenset(
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
"""torchvision's, as they are."""
YOLO = frozenset(
    f"{version}{size}{task}"
    for version in ("yolov8", "yolo11")
    for size in "ns"
    for task in ("", "-seg", "-pose")
)
YOLO_CLASSIFIERS = frozenset(
    f"{version}{size}-cls" for version in ("yolov8", "yolo11") for size in "ns"
)
"""Ultralytics', without the softmax that their exports end in."""
YOLOX = frozenset({"yolox_nano", "yolox_tiny", "yolox_s"})
FCOS = frozenset({"fcos_resnet50_fpn"})
RTMPOSE = frozenset({"rtmpose-t", "rtmpose-s"})

NAMES = CLASSIFIERS | YOLO | YOLO_CLASSIFIERS | YOLOX | FCOS | RTMPOSE
DEFAULT_SHAPE = (3, 224, 224)


def build(name: str, classes: int, *, keypoints: int = 17) -> torch.nn.Module:
    """The network with torch's initial weights, in evaluation mode.

    Its outputs are laid out as ``piyard.model.head`` says. ``keypoints`` counts only in networks
    for poses; one of them that looks at a single object has no ``classes``.
    """
    if name not in NAMES:
        raise unknown("network", name, NAMES)
    return _build(name, classes, keypoints).eval()


def shape_of(network: torch.nn.Module) -> tuple[int, int, int]:
    """Channels, rows and columns of an input the network can take; most can take others too."""
    shape: tuple[int, int, int] = getattr(network, "shape", DEFAULT_SHAPE)
    return shape


def _build(name: str, classes: int, keypoints: int) -> torch.nn.Module:
    if name in YOLO | YOLO_CLASSIFIERS:
        from piyard.networks import yolo

        return yolo.build(name, classes, keypoints)
    if name in YOLOX:
        from piyard.networks import yolox

        return yolox.build(name, classes)
    if name in FCOS:
        from piyard.networks.fcos import Fcos

        return Fcos(classes, torchvision_models())
    if name in RTMPOSE:
        from piyard.networks import rtmpose

        return rtmpose.build(name, keypoints)
    network: torch.nn.Module = getattr(torchvision_models(), name)(num_classes=classes)
    return network
