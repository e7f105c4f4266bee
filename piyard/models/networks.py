"""The networks piyard can build, by name, with the parameter names of their official weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from piyard.core.errors import unknown_name
from piyard.models.architectures.classifiers import (
    CLASSIFIER_TENSORS,
    build_classifier,
    torchvision_models,
)
from piyard.models.architectures.small_cnn import build_small_cnn, is_small_cnn, parse_small_cnn
from piyard.models.architectures.timm_networks import build_timm_network, is_timm_network

if TYPE_CHECKING:
    import torch


CLASSIFIERS = frozenset(CLASSIFIER_TENSORS)
"""torchvision's, as they are."""
YOLO = frozenset(
    f"{version}{size}{task}"
    for version in ("yolov8", "yolo11")
    for size in "ns"
    for task in ("", "-seg", "-pose", "-obb")
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
CLIP = frozenset(
    {"clip-vit-b32", "clip-rn50", "openclip-vit-b32", "siglip-base-patch16-224"}
    | {"tinyclip-vit-8m-16-text-3m"}
)
"""Encoders of pictures beside such of texts, which only a YAML names."""

NETWORK_NAMES = CLASSIFIERS | YOLO | YOLO26 | YOLO_CLASSIFIERS | YOLOX | FCOS | RTMPOSE
DEFAULT_SHAPE = (3, 224, 224)


def build_network(name: str, classes: int, *, keypoints: int = 17) -> torch.nn.Module:
    """The network with torch's initial weights, in evaluation mode.

    Its outputs are laid out as vision/schema.py says. ``keypoints`` counts only in networks
    for poses; one of them that looks at a single object has no ``classes``. Raises ``WrongInput``
    for an unknown name, ``NotSetUp`` for one of timm's without timm.
    """
    if is_timm_network(name):
        return build_timm_network(name, classes).eval()
    if is_small_cnn(name):
        return build_small_cnn(parse_small_cnn(name), classes).eval()
    if name not in NETWORK_NAMES | CLIP:
        raise unknown_name("network", name, NETWORK_NAMES | CLIP)
    return _build_module(name, classes, keypoints).eval()


def input_shape(network: torch.nn.Module) -> tuple[int, int, int]:
    """Channels, rows and columns of an input the network can take; most can take others too."""
    shape: tuple[int, int, int] = getattr(network, "shape", DEFAULT_SHAPE)
    return shape


def _build_module(name: str, classes: int, keypoints: int) -> torch.nn.Module:
    if name in YOLO | YOLO26 | YOLO_CLASSIFIERS:
        from piyard.models.architectures.yolo import build_yolo

        return build_yolo(name, classes, keypoints)
    if name in YOLOX:
        from piyard.models.architectures.anchor_free import build_yolox

        return build_yolox(name, classes)
    if name in FCOS:
        from piyard.models.architectures.anchor_free import FcosNetwork

        return FcosNetwork(classes, torchvision_models())
    if name in RTMPOSE:
        from piyard.models.architectures.rtmpose import build_rtmpose

        return build_rtmpose(name, keypoints)
    if name in CLIP:
        from piyard.models.architectures.clip import build_clip

        return build_clip(name)
    return build_classifier(name, classes)


THREADS = 1
"""Of torch and of ncnn on the desktop. The nets are small: on a busy machine OpenMP's waiting
threads cost more than they gain, and one thread adds in the same order everywhere."""


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


@contextmanager
def meta_weights() -> Iterator[None]:
    """Networks built here have no weights, only shapes, which takes little memory and time.

    torch's own meta device would make RegNets compute their widths without values.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class EmptyOnMeta(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            del types
            options = {**(kwargs or {}), "device": "meta"} if func is torch.empty else kwargs or {}
            return func(*args, **options)

    with EmptyOnMeta():
        yield
