"""Made-up outputs of dense heads, and the flags with which nnrun decodes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from piyard.vision.head_schema import DenseHead, Fcos, Nanodet, Rtmdet, Yolov5, Yolov8, Yolox
from tests.runner.nets import Floats

HEADS: dict[str, Any] = {
    "yolov8": Yolov8,
    "yolov5": Yolov5,
    "yolox": Yolox,
    "nanodet": Nanodet,
    "rtmdet": Rtmdet,
    "fcos": Fcos,
}


def kind(head: DenseHead) -> str:
    """As the YAML and ``--head`` name it."""
    return next(name for name, result in HEADS.items() if isinstance(head, result))


def flags(head: DenseHead) -> list[str]:
    """The head as arguments of nnrun."""
    bins = ["--bins", str(head.bins)] if isinstance(head, Yolov8 | Nanodet) else []
    sides = [repr(side) for each in getattr(head, "anchors", ()) for two in each for side in two]
    anchors = ["--anchors", ",".join(sides)] if sides else []
    once = ["--one-to-one"] if isinstance(head, Yolov8) and head.end_to_end else []
    return [
        *("--head", kind(head), "--strides", ",".join(map(str, head.strides))),
        *(*bins, *once, *anchors),
        *("--score", repr(head.score), "--nms", repr(head.nms), "--most", str(head.most)),
    ]


def anchored(strides: tuple[int, ...], count: int = 3) -> dict[str, Any]:
    """Some anchors of each map, as a head has them."""
    return {
        "anchors": tuple(
            tuple((stride * (1.5 + number), stride * (3.25 - number)) for number in range(count))
            for stride in strides
        )
    }


def channels(head: DenseHead, classes: int) -> list[int]:
    """Of each part of a place, in the head's order."""
    sides = 4 * head.bins if isinstance(head, Yolov8 | Nanodet) else 4
    match head:
        case Yolov8():
            return [sides, classes]
        case Yolov5():
            return [sides, 1, classes] * len(head.anchors[0])
        case Yolox():
            return [sides, 1, classes]
        case Nanodet() | Rtmdet():
            return [classes, sides]
        case Fcos():
            return [classes, sides, 1]


def maps(
    head: DenseHead, classes: int, hw: tuple[int, int], seed: int, *, apart: bool
) -> list[Floats]:
    """Random ones: in one blob a level, or with each part in a blob of its own (``apart``)."""
    rng = np.random.default_rng(seed)
    result: list[Floats] = []
    for stride in head.strides:
        grid = tuple(-(-side // stride) for side in hw)
        parts = [
            rng.normal(0, 2, (count, *grid)).astype(np.float32) for count in channels(head, classes)
        ]
        if isinstance(head, Rtmdet):  # sides are pixels
            parts[1] = abs(parts[1]) * 12
        result += parts if apart else [np.concatenate(parts)]
    return result
