"""Which of a place's channels mean what, for each kind of dense head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from piyard.heads.misfit import misfit
from piyard.model import Task
from piyard.model.head import DenseHead, Fcos, Nanodet, Rtmdet, Yolov8, Yolox

if TYPE_CHECKING:
    from piyard.model.steps import Floats


NONE = slice(0, 0)


class Layout(NamedTuple):
    """Ranges of channels; an empty one where a head has no such thing."""

    box: slice
    classes: slice
    object: slice = NONE
    """YOLOX's object, FCOS's centredness."""
    extra: slice = NONE
    """Mask coefficients or keypoints, the last ones."""


def layout(head: DenseHead, task: Task, outputs: Sequence[Floats]) -> Layout:
    """The layout of a network's outputs; raises ``WrongInput`` where they are too few."""
    maps = outputs[:-1] if task == "segment" else outputs
    channels = sum(len(blob) for blob in maps) // len(head.strides)
    extra = _extra(head, task, channels, outputs)
    ranges = _layout(head, channels - extra)._replace(extra=slice(channels - extra, channels))
    if ranges.classes.stop <= ranges.classes.start:
        raise misfit(f"{channels} channels per place are too few", outputs)
    return ranges


def _extra(head: DenseHead, task: Task, channels: int, outputs: Sequence[Floats]) -> int:
    """How many channels are mask coefficients, or keypoints: a pose network has one class."""
    if task == "segment":
        return len(outputs[-1])
    if task != "pose":
        return 0
    values = channels - 4 * head.bins - 1 if isinstance(head, Yolov8) else 0
    if values <= 0 or values % 3:
        raise misfit("there are no keypoint channels", outputs)
    return values


def _layout(head: DenseHead, channels: int) -> Layout:
    match head:
        case Yolov8():
            return Layout(box=slice(0, 4 * head.bins), classes=slice(4 * head.bins, channels))
        case Yolox():
            return Layout(box=slice(0, 4), object=slice(4, 5), classes=slice(5, channels))
        case Nanodet():
            first = channels - 4 * head.bins
            return Layout(classes=slice(0, first), box=slice(first, channels))
        case Rtmdet():
            return Layout(classes=slice(0, channels - 4), box=slice(channels - 4, channels))
        case Fcos():
            return Layout(
                classes=slice(0, channels - 5),
                box=slice(channels - 5, channels - 1),
                object=slice(channels - 1, channels),
            )
