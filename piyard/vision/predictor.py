"""A network somebody computes on this machine → what is in pictures and clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.vision.bytetrack import ByteTracker, Detection
from piyard.vision.classifier import AUTO, best_classes, class_scores, resolve_activation
from piyard.vision.decode import decode_objects, decode_pose
from piyard.vision.nanotrack import NanotrackNets, follow_object, make_nets
from piyard.vision.pictures import read_picture
from piyard.vision.predictions import ClassScore, DecodedObject, Frame, PredictedObject, encode_mask
from piyard.vision.preprocess import (
    object_transform,
    picture_transform,
    prepare_object,
    prepare_picture,
)
from piyard.vision.schema import (
    BytetrackConfig,
    Head,
    Heatmap,
    NanotrackConfig,
    ObjectCrop,
    Preprocess,
    Simcc,
    TrackerConfig,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.vision.schema import Floats, Task


Compute = Callable[..., list["Floats"]]
"""Inputs (c, h, w) → outputs in the layout of ``piyard.model.head``."""
TOP_CLASSES = 5
"""Classes of a picture."""


class PictureSet(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures that belong together: frames in their order, or just any."""

    pictures: Sequence[Path]
    init: tuple[float, float, float, float] | None = None
    """x, y, width, height of the object to follow in the first frame."""
    fps: float = 30.0
    ordered: bool = False
    """Whether one frame follows the other, and all must be seen by the same tracker."""


class Net(msgspec.Struct, frozen=True, kw_only=True):
    """A network with somebody who computes it, and what its outputs mean."""

    task: Task
    size: tuple[int, int]
    """Rows, columns of its input."""
    preprocess: Preprocess
    outputs: Head | None = None
    """How they are decoded; none of a classifier."""
    tracker: TrackerConfig | None = None
    activation: str = AUTO
    """Of a classifier."""
    labels: Sequence[str]
    compute: Compute
    head: Compute | None = None
    """The second net of a tracker of one object."""
    place: int = 0
    """Of a classifier's outputs, the one with the classes."""
    ends: str = "logits"
    """What that output is already."""


class Predictor(msgspec.Struct, frozen=True, kw_only=True):
    """What sees objects in pictures: a net, and the one that finds its objects first."""

    net: Net
    detector: Net | None = None


def predict_frames(seer: Predictor, film: PictureSet) -> Iterator[Frame]:
    """What is in each picture, in order; in a clip a tracker follows what moves."""
    match seer.net.tracker:
        case BytetrackConfig():
            yield from _track_objects(seer.net, seer.net.tracker, film)
        case NanotrackConfig():
            yield from _follow_object(seer.net, seer.net.tracker, film)
        case None:
            for path in film.pictures:
                yield predict_picture(seer, path)


def predict_picture(seer: Predictor, path: Path) -> Frame:
    """What is in one picture."""
    picture = read_picture(path)
    if seer.net.task == "classify":
        return _make_frame(path, picture, top=_score_classes(seer.net, picture))
    objects = _estimate_poses(seer, picture) if seer.detector else detect_objects(seer.net, picture)
    return _make_frame(
        path, picture, objects=[_make_object(each, seer.net.labels) for each in objects]
    )


def _score_classes(net: Net, picture: Image) -> list[ClassScore]:
    output = net.compute(_network_input(net, picture))[net.place]
    # A converted net has no logarithm any more, whatever its original had.
    stated = "none" if net.activation == "exp" else net.activation
    activation = resolve_activation(stated, net.ends, output.size)
    scores = class_scores(output, activation, len(net.labels))
    return [
        ClassScore(index=index, label=net.labels[index], score=float(scores[index]))
        for index in best_classes(scores, TOP_CLASSES)
    ]


def detect_objects(net: Net, picture: Image) -> list[DecodedObject]:
    """The objects of a dense head."""
    if net.outputs is None or isinstance(net.outputs, Simcc | Heatmap):
        raise TypeError(net.task)
    outputs = net.compute(_network_input(net, picture))
    task = "detect" if net.task == "track" else net.task
    placing = picture_transform(picture.size, net.preprocess, net.size)
    return decode_objects(net.outputs, task, outputs, net.size, placing)


def _estimate_poses(seer: Predictor, picture: Image) -> list[DecodedObject]:
    """Each person that the detector finds, and the keypoints that the net sees there."""
    if seer.detector is None:
        return []
    people = [each for each in detect_objects(seer.detector, picture) if each.class_ == 0]
    return [_estimate_pose(seer.net, picture, person) for person in people]


def _estimate_pose(net: Net, picture: Image, person: DecodedObject) -> DecodedObject:
    if not (isinstance(net.outputs, Simcc | Heatmap) and isinstance(net.preprocess, ObjectCrop)):
        raise TypeError(net.task)
    shown = prepare_object(picture, person.box, net.preprocess, net.size)
    placing = object_transform(picture.size, person.box, net.preprocess, net.size)
    points = decode_pose(net.outputs, net.compute(shown), net.size, placing)
    return msgspec.structs.replace(person, keypoints=points)


def _track_objects(net: Net, config: BytetrackConfig, film: PictureSet) -> Iterator[Frame]:
    tracker = ByteTracker(config, film.fps)
    for path in film.pictures:
        picture = read_picture(path)
        detections = [
            Detection(box=each.box, score=each.score, label=each.class_)
            for each in detect_objects(net, picture)
        ]
        yield _make_frame(
            path,
            picture,
            objects=[
                PredictedObject(
                    class_=track.label,
                    label=net.labels[track.label] if net.labels else None,
                    score=track.score,
                    box=track.box,
                    id=track.id,
                )
                for track in tracker.step(detections)
            ],
        )


def _follow_object(net: Net, config: NanotrackConfig, film: PictureSet) -> Iterator[Frame]:
    import numpy as np

    x, y, width, height = film.init or (0, 0, 0, 0)
    first = (x, y, x + width, y + height)
    shown, fed = tee(map(read_picture, film.pictures))
    followed = follow_object(
        _nanotrack_nets(net), config, net.preprocess, map(np.asarray, fed), first
    )
    for path, picture, each in zip(film.pictures, shown, followed, strict=True):
        yield _make_frame(
            path, picture, objects=[PredictedObject(class_=0, score=each.score, box=each.box)]
        )


def _nanotrack_nets(net: Net) -> NanotrackNets:
    if net.head is None:
        raise TypeError(net.task)
    return make_nets(net.compute, net.head)


def _network_input(net: Net, picture: Image) -> Floats:
    return prepare_picture(picture, net.preprocess, net.size)


def _make_frame(
    path: Path,
    picture: Image,
    top: Sequence[ClassScore] = (),
    objects: Sequence[PredictedObject] = (),
) -> Frame:
    width, height = picture.size
    return Frame(name=str(path), width=width, height=height, top=list(top), objects=list(objects))


def _make_object(decoded: DecodedObject, labels: Sequence[str]) -> PredictedObject:
    points = decoded.keypoints
    return PredictedObject(
        class_=decoded.class_,
        label=labels[decoded.class_] if decoded.class_ < len(labels) else None,
        score=decoded.score,
        box=decoded.box,
        mask=None if decoded.mask is None else encode_mask(decoded.mask),
        keypoints=None if points is None else [(x, y, s) for x, y, s in points.tolist()],
    )
