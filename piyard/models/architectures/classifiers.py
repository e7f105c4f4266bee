"""torchvision's classifiers: which there are, building them, and how their pictures are prepared.

torchvision is imported late, and made to go with this torch.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch


CLASSIFIER_TENSORS: dict[str, int] = {
    "alexnet": 16,
    **dict.fromkeys(("convnext_base", "convnext_large", "convnext_small"), 344),
    "convnext_tiny": 182,
    "densenet121": 606,
    "densenet161": 806,
    "densenet169": 846,
    "densenet201": 1006,
    "efficientnet_b0": 311,
    **dict.fromkeys(("efficientnet_b1", "efficientnet_b2"), 439),
    "efficientnet_b3": 496,
    "efficientnet_b4": 610,
    "efficientnet_b5": 738,
    "efficientnet_b6": 852,
    "efficientnet_b7": 1037,
    "efficientnet_v2_l": 1331,
    "efficientnet_v2_m": 963,
    "efficientnet_v2_s": 672,
    "googlenet": 287,
    "inception_v3": 472,
    **dict.fromkeys(("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"), 262),
    "maxvit_t": 548,
    "mobilenet_v2": 262,
    "mobilenet_v3_large": 266,
    "mobilenet_v3_small": 210,
    **dict.fromkeys(("regnet_x_16gf", "regnet_x_400mf"), 357),
    "regnet_x_1_6gf": 297,
    **dict.fromkeys(("regnet_x_32gf", "regnet_x_8gf"), 372),
    "regnet_x_3_2gf": 402,
    "regnet_x_800mf": 267,
    **dict.fromkeys(("regnet_y_128gf", "regnet_y_1_6gf"), 540),
    "regnet_y_16gf": 369,
    "regnet_y_32gf": 407,
    "regnet_y_3_2gf": 426,
    "regnet_y_400mf": 331,
    "regnet_y_800mf": 293,
    "regnet_y_8gf": 350,
    **dict.fromkeys(("resnet101", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet101_2"), 522),
    "resnet152": 777,
    "resnet18": 102,
    "resnet34": 182,
    **dict.fromkeys(("resnet50", "resnext50_32x4d", "wide_resnet50_2"), 267),
    **dict.fromkeys(
        ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
        282,
    ),
    **dict.fromkeys(("squeezenet1_0", "squeezenet1_1"), 52),
    **dict.fromkeys(("swin_b", "swin_s"), 353),
    "swin_t": 185,
    **dict.fromkeys(("swin_v2_b", "swin_v2_s"), 449),
    "swin_v2_t": 233,
    "vgg11": 22,
    "vgg11_bn": 54,
    "vgg13": 26,
    "vgg13_bn": 66,
    "vgg16": 32,
    "vgg16_bn": 84,
    "vgg19": 38,
    "vgg19_bn": 102,
    **dict.fromkeys(("vit_b_16", "vit_b_32"), 152),
    "vit_h_14": 392,
    **dict.fromkeys(("vit_l_16", "vit_l_32"), 296),
}
"""Name → how many tensors its state has, counters of steps aside: few need to be built to find the
one that a checkpoint is of."""
WITH_AUXILIARY_HEADS = frozenset({"googlenet", "inception_v3"})
"""Built without the heads of training. torchvision's own weights are of pictures with levels from
-1 to 1 (``transform_input``)."""


def build_classifier(name: str, classes: int) -> torch.nn.Module:
    """torchvision's network of that name; on the meta device inside ``meta_weights``."""
    options: dict[str, object] = {}
    if name in WITH_AUXILIARY_HEADS:
        options = {"aux_logits": False, "init_weights": False, "transform_input": False}
    network: torch.nn.Module = getattr(torchvision_models(), name)(num_classes=classes, **options)
    return network


class ClassifierPicture(NamedTuple):
    """How torchvision prepares a picture for the weights it publishes first."""

    resize: int
    """The short side, in pixels."""
    crop: int
    resample: str
    mean: list[float]
    """Of red, green and blue, on levels from 0 to 1."""
    deviation: list[float]


def classifier_picture(name: str) -> ClassifierPicture:
    """What the transforms of torchvision's own weights do."""
    weights = torchvision_models().get_model_weights(name)
    steps = weights.__members__.get("IMAGENET1K_V1", weights.DEFAULT).value.transforms()
    halves = [0.5, 0.5, 0.5]
    mean, deviation = (
        (halves, halves) if name in WITH_AUXILIARY_HEADS else (list(steps.mean), list(steps.std))
    )
    return ClassifierPicture(
        resize=int(steps.resize_size[0]),
        crop=int(steps.crop_size[0]),
        resample=str(steps.interpolation.value),
        mean=mean,
        deviation=deviation,
    )


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
