"""nnrun's flags for what a model's YAML says of its pictures, its head and its tracker."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET

from piyard.vision.head_schema import Dense, Head, Heatmap, Nanodet, Semantic, Simcc, Yolov5, Yolov8
from piyard.vision.schema import BytetrackConfig, Crop, Letterbox, ObjectCrop, Preprocess, Stretch


def head_flags(head: Head) -> list[str]:
    """What the outputs mean."""
    kind = ["--head", str(type(head).__struct_config__.tag)]
    match head:
        case Simcc():
            return [*kind, "--split", repr(head.split)]
        case Heatmap():
            return kind
        case Semantic():
            return [*kind, "--map", str(head.output), "--threshold", repr(head.threshold)]
        case _:
            return [*kind, *_dense_flags(head)]


def _dense_flags(head: Dense) -> list[str]:
    bins = ["--bins", str(head.bins)] if isinstance(head, Yolov8 | Nanodet) else []
    return [
        *("--strides", ",".join(map(str, head.strides)), *bins),
        *("--score", repr(head.score), "--nms", repr(head.nms), "--most", str(head.most)),
        *(_yolov8_flags(head) if isinstance(head, Yolov8) else []),
        *(_anchor_flags(head) if isinstance(head, Yolov5) else []),
    ]


def _anchor_flags(head: Yolov5) -> list[str]:
    sides = [repr(side) for anchors in head.anchors for anchor in anchors for side in anchor]
    return ["--anchors", ",".join(sides)]


def _yolov8_flags(head: Yolov8) -> list[str]:
    once = ["--one-to-one"] if head.end_to_end else []
    angle = ["--angle", head.angle] if head.angle != "sigmoid" else []
    if not head.kpt_shape:
        return [*once, *angle]
    count, values = head.kpt_shape
    return [*once, *angle, "--keypoints", f"{count}x{values}", "--keypoint-grid", head.kpt_grid]


def bytetrack_flags(config: BytetrackConfig) -> list[str]:
    return [
        *("--track-high", repr(config.high), "--track-low", repr(config.low)),
        *("--track-new", repr(config.new), "--track-match", repr(config.match)),
        *("--track-buffer", str(config.buffer)),
    ]


def preprocess_flags(fit: Preprocess, size: tuple[int, int]) -> list[str]:
    """Flags for a network whose input has ``size`` = (rows, columns)."""
    return [*_geometry_flags(fit, size), *_level_flags(fit)]


def _geometry_flags(fit: Preprocess, size: tuple[int, int]) -> list[str]:
    match fit:
        case Crop():
            return [
                *("--resize", str(fit.resize), "--crop", str(fit.crop)),
                *("--resample", fit.resample),
            ]
        case Letterbox():
            return [
                *_fit_flags("letterbox", size),
                *(
                    "--pad",
                    _comma_separated(fit.pad),
                    "--place",
                    fit.place,
                    "--resample",
                    fit.resample,
                ),
            ]
        case Stretch():
            longest = [] if fit.longest is UNSET else ["--longest", str(fit.longest)]
            return [*_fit_flags("stretch", size), *longest, "--resample", fit.resample]
        case ObjectCrop():
            return [*_fit_flags("box", size), "--padding", repr(fit.padding)]


def _fit_flags(name: str, size: tuple[int, int]) -> list[str]:
    return ["--fit", name, "--size", f"{size[0]}x{size[1]}"]


def _level_flags(steps: Preprocess) -> list[str]:
    return [
        "--order",
        steps.order,
        "--mean",
        _comma_separated(steps.mean),
        "--norm",
        _comma_separated(steps.norm),
    ]


def _comma_separated(values: Iterable[float]) -> str:
    return ",".join(map(repr, values))
