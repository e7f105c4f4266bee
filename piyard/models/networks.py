"""The networks piyard can build, by name, with the parameter names of their official weights.

torch and torchvision are imported late and made to go together.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from piyard.core.errors import unknown_name

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
YOLO26 = frozenset({"yolo26n", "yolo26s"})
"""Detectors that tell each object once."""
YOLO_CLASSIFIERS = frozenset(
    f"{version}{size}-cls" for version in ("yolov8", "yolo11") for size in "ns"
)
"""Ultralytics', without the softmax that their exports end in."""
YOLOX = frozenset({"yolox_nano", "yolox_tiny", "yolox_s"})
FCOS = frozenset({"fcos_resnet50_fpn"})
RTMPOSE = frozenset({"rtmpose-t", "rtmpose-s"})

NETWORK_NAMES = CLASSIFIERS | YOLO | YOLO26 | YOLO_CLASSIFIERS | YOLOX | FCOS | RTMPOSE
DEFAULT_SHAPE = (3, 224, 224)


def build_network(name: str, classes: int, *, keypoints: int = 17) -> torch.nn.Module:
    """The network with torch's initial weights, in evaluation mode.

    Its outputs are laid out as vision/schema.py says. ``keypoints`` counts only in networks
    for poses; one of them that looks at a single object has no ``classes``.
    """
    if name not in NETWORK_NAMES:
        raise unknown_name("network", name, NETWORK_NAMES)
    return _build_module(name, classes, keypoints).eval()


def input_shape(network: torch.nn.Module) -> tuple[int, int, int]:
    """Channels, rows and columns of an input the network can take; most can take others too."""
    shape: tuple[int, int, int] = getattr(network, "shape", DEFAULT_SHAPE)
    return shape


def _build_module(name: str, classes: int, keypoints: int) -> torch.nn.Module:
    if name in YOLO | YOLO26 | YOLO_CLASSIFIERS:
        from piyard.models.yolo import build_yolo

        return build_yolo(name, classes, keypoints)
    if name in YOLOX:
        from piyard.models.anchor_free import build_yolox

        return build_yolox(name, classes)
    if name in FCOS:
        from piyard.models.anchor_free import FcosNetwork

        return FcosNetwork(classes, torchvision_models())
    if name in RTMPOSE:
        from piyard.models.rtmpose import build_rtmpose

        return build_rtmpose(name, keypoints)
    network: torch.nn.Module = getattr(torchvision_models(), name)(num_classes=classes)
    return network


THREADS = 1
"""Of torch and of ncnn on the desktop. The nets are small: on a busy machine OpenMP's waiting
threads cost more than they gain, and one thread adds in the same order everywhere."""

UNDECLARED_OPERATORS = ("nms", "qnms")


@cache
def torchvision_models() -> Any:
    """The module ``torchvision.models``."""
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _declare_operators()
    return importlib.import_module("torchvision.models")


@cache  # a Library's declarations live as long as it does
def _declare_operators() -> Any:
    import torch

    module: Any = torch.library
    library = module.Library("torchvision", "FRAGMENT")
    for name in UNDECLARED_OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


@contextmanager
def inference() -> Iterator[None]:
    """Without gradients, on a fixed number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(before)
