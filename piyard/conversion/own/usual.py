"""Defaults: how the networks of each head are fed, and what each network is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from piyard import networks
from piyard.errors import unknown

IMAGENET = {"order": "rgb", "mean": [123.675, 116.28, 103.53]} | {
    "norm": [0.017124753831663668, 0.01750700280112045, 0.017429193899782137]
}
LEVELS = 255.0
PLAIN = {"mean": [0.0, 0.0, 0.0], "norm": [1.0, 1.0, 1.0]}
ULTRALYTICS = {"order": "rgb"} | PLAIN | {"norm": [1 / LEVELS] * 3}
"""Whatever the task: its ImageNet mean is for another family, YOLOv5's classifiers."""
OPENMMLAB = {"order": "bgr", "mean": [103.53, 116.28, 123.675]} | {
    "norm": [0.017429193899782137, 0.01750700280112045, 0.017124753831663668]
}
USUAL: dict[str, dict[str, Any]] = {
    "": IMAGENET,
    "yolov8": {"fit": "letterbox", "order": "rgb"} | PLAIN | {"norm": [1 / 255] * 3},
    "yolox": {"fit": "letterbox", "place": "topleft", "order": "bgr"} | PLAIN,
    "nanodet": {"fit": "stretch"} | OPENMMLAB,
    "rtmdet": {"fit": "letterbox", "place": "topleft"} | OPENMMLAB,
    "fcos": {"fit": "letterbox", "place": "topleft", "pad": [124, 116, 104]} | IMAGENET,
    "simcc": {"fit": "box"} | IMAGENET,
    "heatmap": {"fit": "box"} | IMAGENET,
}
"""Head → how its authors prepare a picture; flags override it where a model differs."""


class Purpose(NamedTuple):
    """What a network is for."""

    task: str
    head: str
    size: str
    """As ``--input`` has it."""
    strides: tuple[int, ...] = ()
    """Where they are not the head's default ones."""


OWN = Purpose("classify", "", "3,224,224")
"""For a file of which nothing else is known."""


def purpose(network: str) -> Purpose:
    """The purpose of a network that piyard builds, else ``OWN``."""
    if network in networks.YOLO:
        return Purpose(_yolo_task(network), "yolov8", "3,640,640")
    if network in networks.YOLOX:
        return Purpose("detect", "yolox", "3,640,640" if network == "yolox_s" else "3,416,416")
    if network in networks.FCOS:
        return Purpose("detect", "fcos", "3,512,512", (8, 16, 32, 64, 128))
    if network in networks.RTMPOSE:
        return Purpose("pose", "simcc", "3,256,192")
    return OWN  # classifiers, Ultralytics' too


def _yolo_task(network: str) -> str:
    return {"seg": "segment", "pose": "pose"}.get(network.partition("-")[2], "detect")


def preprocess(head: str, side: int, differing: Mapping[str, Any]) -> dict[str, Any]:
    """A model's ``preprocess`` for that head and height of input; no head is a classifier.

    The defaults for one kind of fit do not apply to another, except the levels.
    """
    if head not in USUAL:
        raise unknown("head", head, set(USUAL) - {""})
    defaults = {"fit": "crop"} | USUAL[head]
    fit = differing.get("fit", defaults["fit"])
    if fit != defaults["fit"]:
        defaults = {key: defaults[key] for key in ("order", "mean", "norm")}
    if fit == "crop":
        defaults |= {"resize": round(side / 0.875), "crop": side, "resample": "bilinear"}
    return defaults | dict(differing)


def noise(preprocess: Mapping[str, Any]) -> list[float]:
    """A model's ``noise`` for a network that is fed levels from 0 to 255; else empty."""
    return [0.0, 255.0] if list(preprocess["norm"]) == [1.0] * 3 else []


def ultralytics(task: str, rows: int, columns: int) -> dict[str, Any]:
    """Classifiers see the middle square, its side the short one's; all others the whole picture."""
    if task != "classify":
        return {"fit": "letterbox"} | ULTRALYTICS
    if rows == columns:
        return {"fit": "crop", "resize": rows, "crop": rows, "resample": "bilinear"} | ULTRALYTICS
    return {"fit": "stretch", "resample": "bilinear"} | ULTRALYTICS
