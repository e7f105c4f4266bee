"""What nets that somebody computes on this machine see in pictures and clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.heads import classes, rle
from piyard.heads.dense import decode
from piyard.heads.found import Found
from piyard.heads.topdown import decode_pose
from piyard.look.lines import Frame, Hit, Object
from piyard.model.head import Head, Heatmap, Simcc
from piyard.model.steps import Box, Preprocess
from piyard.model.tracker import Bytetrack, Nanotrack, Tracker
from piyard.preprocess import feed
from piyard.preprocess.picture import read as read_picture
from piyard.tracking import nanotrack, nets
from piyard.tracking.bytetrack import ByteTracker, Detection

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.model import Task
    from piyard.model.steps import Floats

Compute = Callable[..., list["Floats"]]
"""Inputs (c, h, w) → outputs in the layout of ``piyard.model.head``."""
TOP = 5
"""Classes of a picture."""


class Footage(msgspec.Struct, frozen=True, kw_only=True):
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
    tracker: Tracker | None = None
    activation: str = classes.AUTO
    """Of a classifier."""
    labels: Sequence[str]
    compute: Compute
    head: Compute | None = None
    """The second net of a tracker of one object."""
    place: int = 0
    """Of a classifier's outputs, the one with the classes."""
    ends: str = "logits"
    """What that output is already."""


class Seer(msgspec.Struct, frozen=True, kw_only=True):
    """What sees objects in pictures: a net, and the one that finds its objects first."""

    net: Net
    detector: Net | None = None


def watch(seer: Seer, film: Footage) -> Iterator[Frame]:
    """What is in each picture, in order; in a clip a tracker follows what moves."""
    match seer.net.tracker:
        case Bytetrack():
            yield from _followed(seer.net, seer.net.tracker, film)
        case Nanotrack():
            yield from _one_followed(seer.net, seer.net.tracker, film)
        case None:
            for path in film.pictures:
                yield look(seer, path)


def look(seer: Seer, path: Path) -> Frame:
    """What is in one picture."""
    picture = read_picture(path)
    if seer.net.task == "classify":
        return _frame(path, picture, top=_top(seer.net, picture))
    objects = _poses(seer, picture) if seer.detector else detected(seer.net, picture)
    return _frame(path, picture, objects=[_object(each, seer.net.labels) for each in objects])


def _top(net: Net, picture: Image) -> list[Hit]:
    output = net.compute(_input(net, picture))[net.place]
    # A converted net has no logarithm any more, whatever its original had.
    stated = "none" if net.activation == "exp" else net.activation
    activation = classes.resolved(stated, net.ends, output.size)
    scores = classes.scores(output, activation, len(net.labels))
    return [
        Hit(index=index, label=net.labels[index], score=float(scores[index]))
        for index in classes.best(scores, TOP)
    ]


def detected(net: Net, picture: Image) -> list[Found]:
    """The objects of a dense head."""
    if net.outputs is None or isinstance(net.outputs, Simcc | Heatmap):
        raise TypeError(net.task)
    outputs = net.compute(_input(net, picture))
    task = "detect" if net.task == "track" else net.task
    placing = feed.placing(picture.size, net.preprocess, net.size)
    return decode(net.outputs, task, outputs, net.size, placing)


def _poses(seer: Seer, picture: Image) -> list[Found]:
    """Each person that the detector finds, and the keypoints that the net sees there."""
    if seer.detector is None:
        return []
    people = [each for each in detected(seer.detector, picture) if each.class_ == 0]
    return [_posed(seer.net, picture, person) for person in people]


def _posed(net: Net, picture: Image, person: Found) -> Found:
    if not (isinstance(net.outputs, Simcc | Heatmap) and isinstance(net.preprocess, Box)):
        raise TypeError(net.task)
    shown = feed.apply_box(picture, person.box, net.preprocess, net.size)
    placing = feed.placing_box(picture.size, person.box, net.preprocess, net.size)
    points = decode_pose(net.outputs, net.compute(shown), net.size, placing)
    return msgspec.structs.replace(person, keypoints=points)


def _followed(net: Net, config: Bytetrack, film: Footage) -> Iterator[Frame]:
    tracker = ByteTracker(config, film.fps)
    for path in film.pictures:
        picture = read_picture(path)
        detections = [
            Detection(box=each.box, score=each.score, label=each.class_)
            for each in detected(net, picture)
        ]
        yield _frame(
            path,
            picture,
            objects=[
                Object(
                    class_=track.label,
                    label=net.labels[track.label] if net.labels else None,
                    score=track.score,
                    box=track.box,
                    id=track.id,
                )
                for track in tracker.step(detections)
            ],
        )


def _one_followed(net: Net, config: Nanotrack, film: Footage) -> Iterator[Frame]:
    import numpy as np

    x, y, width, height = film.init or (0, 0, 0, 0)
    first = (x, y, x + width, y + height)
    shown, fed = tee(map(read_picture, film.pictures))
    followed = nanotrack.follow(_nets(net), config, net.preprocess, map(np.asarray, fed), first)
    for path, picture, each in zip(film.pictures, shown, followed, strict=True):
        yield _frame(path, picture, objects=[Object(class_=0, score=each.score, box=each.box)])


def _nets(net: Net) -> nanotrack.Nets:
    if net.head is None:
        raise TypeError(net.task)
    return nets.of(net.compute, net.head)


def _input(net: Net, picture: Image) -> Floats:
    return feed.apply(picture, net.preprocess, net.size)


def _frame(
    path: Path, picture: Image, top: Sequence[Hit] = (), objects: Sequence[Object] = ()
) -> Frame:
    width, height = picture.size
    return Frame(name=str(path), width=width, height=height, top=list(top), objects=list(objects))


def _object(decoded: Found, labels: Sequence[str]) -> Object:
    points = decoded.keypoints
    return Object(
        class_=decoded.class_,
        label=labels[decoded.class_] if decoded.class_ < len(labels) else None,
        score=decoded.score,
        box=decoded.box,
        mask=None if decoded.mask is None else rle.pack(decoded.mask),
        keypoints=None if points is None else [(x, y, s) for x, y, s in points.tolist()],
    )
