"""Whether a tracker follows the same objects by ncnn's outputs as by the original's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piyard import mirror
from piyard import model as models
from piyard.heads import agree
from piyard.heads.agree import Agreement
from piyard.heads.found import Found
from piyard.look.lines import Object
from piyard.model import Model
from piyard.model.tracker import Nanotrack
from piyard.originals import Original
from piyard.proof.desktop import Compute, Footage, Net, Seer, watch
from piyard.tracking import frames, motchallenge, otb

DATA = Path("data")
ONE, MANY = DATA / "sot_crossing", DATA / "mot_tud_stadtmitte"
"""Clips within the mirror."""
FRAMES = 8
"""Of a clip: enough for a track to begin, to be lost and to be found again."""

Followed = Sequence[Sequence[Object]]
"""What is followed, frame by frame; an object's ``id`` is its track."""


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """What a tracker is shown, and what it follows there by the original's outputs."""

    film: Footage
    expected: Followed


def ask(model: Model, originals: Mapping[str, Original]) -> Clip | None:
    """The clip of that model; None for one that is not a tracker, and where there is no clip."""
    footage = film(model) if model.tracker else None
    if footage is None:
        return None
    computes = {stem: original.run for stem, original in originals.items()}
    return Clip(film=footage, expected=followed(model, footage, computes))


def film(model: Model) -> Footage | None:
    """The first frames of a sequence of the mirror; None without one that has it."""
    root = mirror.folder()
    follows_one = isinstance(model.tracker, Nanotrack)
    if root is None or not (root / (ONE if follows_one else MANY)).is_dir():
        return None
    return _one_object(root / ONE) if follows_one else _many_objects(root / MANY)


def _one_object(folder: Path) -> Footage:
    """A sequence of OTB; its first box is the object to follow."""
    x0, y0, x1, y1 = otb.read_truth(folder / "groundtruth_rect.txt")[0]
    shown = list(frames.numbered(folder / "img").values())
    return Footage(pictures=shown[:FRAMES], init=(x0, y0, x1 - x0, y1 - y0), ordered=True)


def _many_objects(folder: Path) -> Footage:
    """A sequence of MOTChallenge."""
    sequence = motchallenge.read_sequence(folder)
    shown = list(frames.numbered(sequence.pictures).values())
    return Footage(pictures=shown[:FRAMES], fps=sequence.fps, ordered=True)


def followed(model: Model, film: Footage, computes: Mapping[str, Compute]) -> Followed:
    """What the tracker follows on this machine, with each net computed as its stem says."""
    net = net_of(model, computes["model"], computes.get("head"))
    return [frame.objects for frame in watch(Seer(net=net), film)]


def net_of(model: Model, compute: Compute, head: Compute | None = None) -> Net:
    """The model's net with somebody who computes it."""
    return Net(
        task=model.task,
        size=model.input[1:],
        preprocess=model.preprocess,
        outputs=model.head,
        tracker=model.tracker,
        activation=model.activation,
        labels=models.labels(model) if model.labels else [],
        compute=compute,
        head=head,
    )


def agreement(expected: Followed, got: Followed) -> Agreement:
    """The worst of the frames. What a track is called does not matter, that it goes on does."""
    called = _names(expected, got)
    return agree.worst(
        [
            agree.compare(
                [_as(shown, shown.id) for shown in reference],
                [_as(shown, called.get(shown.id)) for shown in objects],
            )
            for reference, objects in zip(expected, got, strict=True)
        ]
    )


def _names(expected: Followed, got: Followed) -> dict[int | None, int | None]:
    """Track of the one → track of the other that was in its place when it first appeared.

    Each has one name: a track that begins anew where another one went on matches none.
    """
    called: dict[int | None, int | None] = {}
    for reference, objects in zip(expected, got, strict=True):
        detections = [[_as(shown, 0) for shown in frame] for frame in (reference, objects)]
        for i, j in agree.matches(*detections):
            if objects[j].id not in called and reference[i].id not in called.values():
                called[objects[j].id] = reference[i].id
    return called


def _as(shown: Object, track: int | None) -> Found:
    """The object with its track in place of the class; one that matches none stands alone."""
    return Found(class_=-1 if track is None else track, score=shown.score, box=shown.box)
