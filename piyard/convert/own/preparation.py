"""How a picture is prepared: a YAML's ``preprocess``, its defaults, and how it is described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict, cast

from piyard.core.errors import unknown_name
from piyard.vision.tasks import find_task


class PreprocessKeys(TypedDict, total=False):
    """A model's ``preprocess`` as its YAML has it, or a part of it."""

    fit: str
    resize: int
    crop: int
    resample: str
    pad: list[int]
    place: str
    padding: float
    order: str
    mean: list[float]
    norm: list[float]


MAX_LEVEL = 255.0


PICTURE_CHANNELS = 3


IMAGENET_LEVELS: PreprocessKeys = {
    "order": "rgb",
    "mean": [123.675, 116.28, 103.53],
    "norm": [0.017124753831663668, 0.01750700280112045, 0.017429193899782137],
}


PLAIN_LEVELS: PreprocessKeys = {"mean": [0.0, 0.0, 0.0], "norm": [1.0, 1.0, 1.0]}


UNIT_LEVELS: PreprocessKeys = {"mean": [0.0, 0.0, 0.0], "norm": [1 / MAX_LEVEL] * 3}
"""Levels from 0 to 1."""


OPENMMLAB_LEVELS: PreprocessKeys = {
    "order": "bgr",
    "mean": [103.53, 116.28, 123.675],
    "norm": [0.017429193899782137, 0.01750700280112045, 0.017124753831663668],
}


HEAD_DEFAULTS: dict[str, PreprocessKeys] = {
    "": IMAGENET_LEVELS,
    "yolov8": {"fit": "letterbox", "order": "rgb", **UNIT_LEVELS},
    "yolov5": {"fit": "letterbox", "order": "rgb", **UNIT_LEVELS},
    "yolox": {"fit": "letterbox", "place": "topleft", "order": "bgr", **PLAIN_LEVELS},
    "nanodet": {"fit": "stretch", **OPENMMLAB_LEVELS},
    "rtmdet": {"fit": "letterbox", "place": "topleft", **OPENMMLAB_LEVELS},
    "fcos": {"fit": "letterbox", "place": "topleft", "pad": [124, 116, 104], **IMAGENET_LEVELS},
    "simcc": {"fit": "box", **IMAGENET_LEVELS},
    "heatmap": {"fit": "box", **IMAGENET_LEVELS},
    "semantic": {"fit": "stretch", "resample": "bilinear", **IMAGENET_LEVELS},
}
"""Head → how its authors prepare a picture; flags override it where a model differs."""


FIGURE_KEYS: tuple[Literal["mean", "norm"], ...] = ("mean", "norm")


CHANNEL_ORDERS = {1: "gray", 3: "rgb", 4: "rgba"}
"""Number of channels → their usual order."""


def unit_levels(channels: int) -> PreprocessKeys:
    """Levels from 0 to 1 of so many channels."""
    return {
        "order": CHANNEL_ORDERS.get(channels, "rgb"),
        "mean": [0.0] * channels,
        "norm": [1 / MAX_LEVEL] * channels,
    }


def spread_levels(preprocess: PreprocessKeys, channels: int) -> PreprocessKeys:
    """Figures that are the same for each channel, for as many channels as there are."""
    spread = preprocess.copy()
    for key in FIGURE_KEYS:
        figures = preprocess.get(key, [])
        if len(figures) != channels and len(set(figures)) == 1:
            spread[key] = figures[:1] * channels
    return spread


def default_preprocess(
    head: str,
    size: Sequence[int],
    differing: PreprocessKeys,
    usual: PreprocessKeys | None = None,
) -> PreprocessKeys:
    """A model's ``preprocess`` for that head and input (channels, rows, columns).

    No head is a classifier; ``usual`` is its network's or its task's own for the usual height. The
    defaults for one kind of fit do not apply to another, except the levels; no head's levels are
    known but for three channels.
    """
    if head not in HEAD_DEFAULTS:
        raise unknown_name("head", head, set(HEAD_DEFAULTS) - {""})
    channels, side, _ = size
    usual = usual or {}
    defaults = _usual_preprocess(head, size, usual)
    differing = spread_levels(differing, channels)
    fit = differing.get("fit", defaults["fit"])
    if fit != defaults["fit"]:
        defaults = {
            "order": defaults["order"],
            "mean": defaults["mean"],
            "norm": defaults["norm"],
        }
    if fit == "crop":
        defaults = {**defaults, **_crop_keys(usual, side)}
    return {**defaults, **differing}


def _usual_preprocess(head: str, size: Sequence[int], usual: PreprocessKeys) -> PreprocessKeys:
    """The head's defaults for that size, and those that the network or the task has of its own."""
    channels, rows, columns = size
    defaults: PreprocessKeys = {"fit": "crop", **HEAD_DEFAULTS[head], **_without_fit(usual)}
    if defaults["fit"] == "crop" and rows != columns:
        defaults = {**defaults, "fit": "stretch", "resample": "bilinear"}
    if channels != PICTURE_CHANNELS:
        defaults = {**defaults, **unit_levels(channels)}
    return {**defaults, **usual} if usual.get("fit", "crop") != "crop" else defaults


def _crop_keys(usual: PreprocessKeys, side: int) -> PreprocessKeys:
    is_usual = usual.get("crop") == side
    return {
        "resize": usual["resize"] if is_usual else round(side / 0.875),
        "crop": side,
        "resample": usual.get("resample", "bilinear"),
    }


def default_input_range(preprocess: PreprocessKeys) -> list[float]:
    """A model's ``noise`` for a network that is fed levels from 0 to 255; else empty."""
    return [0.0, 255.0] if set(preprocess["norm"]) == {1.0} else []


def ultralytics_preprocess(task: str, size: Sequence[int]) -> PreprocessKeys:
    """Classifiers see the middle square, its side the short one's; all others the whole picture."""
    channels, rows, columns = size
    levels = unit_levels(channels)
    if not find_task(task).has_class_output:
        return {"fit": "letterbox", **levels}
    if rows == columns:
        return {
            "fit": "crop",
            "resize": rows,
            "crop": rows,
            "resample": "bilinear",
            **levels,
        }
    return {"fit": "stretch", "resample": "bilinear", **levels}


FIT_KEYS = frozenset({"fit", "resize", "crop", "resample", "pad", "place", "padding"})
"""Keys of ``preprocess`` that belong to its ``fit``."""


LEVEL_KEYS: tuple[Literal["order", "mean", "norm"], ...] = ("order", "mean", "norm")


def merge_preprocess(metadata: PreprocessKeys, options: PreprocessKeys) -> PreprocessKeys:
    """The ``preprocess`` that the file states, overridden by the user's options."""
    other_fit = options.get("fit") not in {None, metadata.get("fit")}
    base = _without_fit(metadata) if other_fit else metadata
    return {**base, **options}


def _without_fit(preprocess: PreprocessKeys) -> PreprocessKeys:
    levels = {key: value for key, value in preprocess.items() if key not in FIT_KEYS}
    return cast("PreprocessKeys", levels)


def describe_preprocess(preprocess: PreprocessKeys) -> dict[str, str]:
    """Fact → text, for a model's ``preprocess`` or a part of it."""
    facts = {
        key: f"{key} {_format_value(preprocess[key])}" for key in LEVEL_KEYS if key in preprocess
    }
    return facts | ({"fit": _describe_fit(preprocess)} if "fit" in preprocess else {})


def _describe_fit(preprocess: PreprocessKeys) -> str:
    if "crop" not in preprocess:
        return f"fit {preprocess['fit']}"
    resize, crop = preprocess["resize"], preprocess["crop"]
    return f"fit crop (short side to {resize}, the middle {crop} of it)"


def _format_value(value: str | Sequence[float]) -> str:
    return value if isinstance(value, str) else ",".join(f"{number:.6g}" for number in value)
