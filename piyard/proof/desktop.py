"""What a model's nets, computed on this machine, see in pictures and films."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard import heads, preprocess
from piyard.conversion.ending import Ending
from piyard.heads import Found, classes, rle
from piyard.look.lines import Frame, Hit, Object, Runs
from piyard.model import Model
from piyard.model.head import Heatmap, Simcc
from piyard.model.steps import Box
from piyard.model.tracker import Bytetrack, Nanotrack

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from piyard.tracking.nanotrack import Nets

    Array = NDArray[np.float32]

Compute = Callable[..., list["Array"]]
"""Inputs (c, h, w) → outputs in the layout of ``piyard.model.head``."""
TOP = 5


class Footage(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures that belong together: frames in their order, or just any."""

    pictures: Sequence[Path]
    init: tuple[float, float, float, float] | None = None
    """x, y, width, height of the object to follow in the first frame."""
    fps: float = 30.0
    ordered: bool = False
    """Whether one frame follows the other, and all must be seen by the same tracker."""


class Net(msgspec.Struct, frozen=True, kw_only=True):
    """A model with somebody who computes it."""

    rules: Model
    labels: Sequence[str]
    compute: Compute
    head: Compute | None = None
    """The second net of a tracker of one object."""
    place: int = 0
    """Of a classifier's outputs, the one with the classes."""
    ends: Ending = "logits"
    """What that output is already."""


class Seer(msgspec.Struct, frozen=True, kw_only=True):
    """What sees objects in pictures: a net, and the one that finds its objects first."""

    net: Net
    detector: Net | None = None


def watch(seer: Seer, film: Footage) -> Iterator[Frame]:
    """What is in each picture, in order; of a film a tracker follows what moves."""
    match seer.net.rules.tracker:
        case Bytetrack():
            yield from _followed(seer.net, seer.net.rules.tracker, film)
        case Nanotrack():
            yield from _one_followed(seer.net, seer.net.rules.tracker, film)
        case None:
            for path in film.pictures:
                yield look(seer, path)


def look(seer: Seer, path: Path) -> Frame:
    """What is in one picture."""
    picture = preprocess.read(path)
    if seer.net.rules.task == "classify":
        return _frame(path, picture, top=_top(seer.net, picture))
    found = _poses(seer, picture) if seer.detector else detected(seer.net, picture)
    return _frame(path, picture, objects=[_object(one, seer.net.labels) for one in found])


def _top(net: Net, picture: Image) -> list[Hit]:
    output = net.compute(_input(net.rules, picture))[net.place]
    asked = "none" if net.rules.activation == "exp" else net.rules.activation
    how = classes.resolved(asked, net.ends, output.size)
    scores = classes.scores(output, how, len(net.labels))
    best = classes.best(scores, TOP)
    return [Hit(index=i, label=net.labels[i], score=float(scores[i])) for i in best]


def detected(net: Net, picture: Image) -> list[Found]:
    """The objects of a dense head."""
    rules, size = net.rules, net.rules.input[1:]
    if rules.head is None or isinstance(rules.head, Simcc | Heatmap):
        raise TypeError(rules.title)
    outputs = net.compute(_input(rules, picture))
    task = "detect" if rules.task == "track" else rules.task
    placing = preprocess.placing(picture.size, rules.preprocess, size)
    return heads.decode(rules.head, task, outputs, size, placing)


def _poses(seer: Seer, picture: Image) -> list[Found]:
    """Each person that the detector finds, and the keypoints that the net sees there."""
    if seer.detector is None:
        return []
    people = [one for one in detected(seer.detector, picture) if one.class_ == 0]
    return [_posed(seer.net, picture, one) for one in people]


def _posed(net: Net, picture: Image, person: Found) -> Found:
    rules, size = net.rules, net.rules.input[1:]
    if not (isinstance(rules.head, Simcc | Heatmap) and isinstance(rules.preprocess, Box)):
        raise TypeError(rules.title)
    shown = preprocess.apply_box(picture, person.box, rules.preprocess, size)
    placing = preprocess.placing_box(picture.size, person.box, rules.preprocess, size)
    points = heads.decode_pose(rules.head, net.compute(shown), size, placing)
    return msgspec.structs.replace(person, keypoints=points)


def _followed(net: Net, how: Bytetrack, film: Footage) -> Iterator[Frame]:
    from piyard.tracking.bytetrack import ByteTracker, Detection

    tracker = ByteTracker(how, film.fps)
    for path in film.pictures:
        picture = preprocess.read(path)
        found = [
            Detection(box=one.box, score=one.score, label=one.class_)
            for one in detected(net, picture)
        ]
        yield _frame(
            path,
            picture,
            objects=[
                Object(
                    class_=one.label,
                    label=net.labels[one.label] if net.labels else None,
                    score=one.score,
                    box=one.box,
                    id=one.id,
                )
                for one in tracker.step(found)
            ],
        )


def _one_followed(net: Net, how: Nanotrack, film: Footage) -> Iterator[Frame]:
    import numpy as np

    from piyard.tracking.nanotrack import follow

    x, y, width, height = film.init or (0, 0, 0, 0)
    first = (x, y, x + width, y + height)
    shown, fed = tee(map(preprocess.read, film.pictures))
    followed = follow(_nets(net), how, net.rules.preprocess, map(np.asarray, fed), first)
    for path, picture, found in zip(film.pictures, shown, followed, strict=True):
        yield _frame(path, picture, objects=[Object(class_=0, score=found.score, box=found.box)])


def _nets(net: Net) -> Nets:
    from piyard.tracking import nets

    if net.head is None:
        raise TypeError(net.rules.title)
    return nets.of(net.compute, net.head)


def _input(rules: Model, picture: Image) -> Array:
    return preprocess.apply(picture, rules.preprocess, rules.input[1:])


def _frame(
    path: Path, picture: Image, top: Sequence[Hit] = (), objects: Sequence[Object] = ()
) -> Frame:
    width, height = picture.size
    return Frame(name=str(path), width=width, height=height, top=list(top), objects=list(objects))


def _object(found: Found, labels: Sequence[str]) -> Object:
    mask = None if found.mask is None else rle.pack(found.mask)
    points = found.keypoints
    return Object(
        class_=found.class_,
        label=labels[found.class_] if found.class_ < len(labels) else None,
        score=found.score,
        box=found.box,
        mask=Runs(size=(mask["size"][0], mask["size"][1]), counts=mask["counts"]) if mask else None,
        keypoints=None if points is None else [(x, y, s) for x, y, s in points.tolist()],
    )
