"""Objects followed from frame to frame: many by ByteTrack, or one by NanoTrack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import tee
from statistics import fmean

from piyard.core.errors import WrongInput
from piyard.core.tables import number_cell
from piyard.core.text import format_count
from piyard.vision.bytetrack import ByteTracker, Detection
from piyard.vision.flags import bytetrack_flags
from piyard.vision.nanotrack import NanotrackNets, follow_object, make_nets
from piyard.vision.overlap import Agreement, match_objects, worst_agreement
from piyard.vision.pictures import read_picture
from piyard.vision.predictions import DecodedObject, Frame, PredictedObject
from piyard.vision.schema import BytetrackConfig, NanotrackConfig, TrackerConfig
from piyard.vision.tasks.base import (
    Net,
    PictureSet,
    Predictor,
    Row,
    TaskModel,
    TaskOptions,
    TruthKind,
    make_frame,
)
from piyard.vision.tasks.detect import Detect, score_cell

TracksByFrame = Sequence[Sequence[PredictedObject]]
"""What is followed, frame by frame; an object's ``id`` is its track."""


class Track(Detect, frozen=True, kw_only=True):
    """Detections that a tracker gives an identity (mot), or one object from its box on (sot)."""

    def nnrun_verb(self, tracker: TrackerConfig | None) -> list[str]:
        """``track mot`` or ``track sot``."""
        return [self.name, "sot" if isinstance(tracker, NanotrackConfig) else "mot"]

    def flags(self, model: TaskModel, options: TaskOptions, _detector: Sequence[str]) -> list[str]:
        """The tracker's. Raises ``WrongInput`` where the object to follow is not given."""
        match model.tracker:
            case BytetrackConfig():
                return [*bytetrack_flags(model.tracker), "--fps", repr(options.fps)]
            case NanotrackConfig():
                return _nanotrack_flags(model.tracker, options)
            case None:
                return []

    def predict_frames(self, predictor: Predictor, film: PictureSet) -> Iterator[Frame]:
        """What is in each frame, with its track."""
        match predictor.net.tracker:
            case NanotrackConfig() as config:
                return _follow_object(predictor.net, config, film)
            case BytetrackConfig() as config:
                return self._track_objects(predictor, config, film)
            case None:
                return super().predict_frames(predictor, film)

    def _track_objects(
        self, predictor: Predictor, config: BytetrackConfig, film: PictureSet
    ) -> Iterator[Frame]:
        tracker = ByteTracker(config, film.fps)
        for path in film.pictures:
            picture = read_picture(path)
            detections = [
                Detection(box=each.box, score=each.score, label=each.class_)
                for each in self.find_objects(predictor, picture)
            ]
            objects = [
                PredictedObject(
                    class_=track.label,
                    label=predictor.net.labels[track.label] if predictor.net.labels else None,
                    score=track.score,
                    box=track.box,
                    id=track.id,
                )
                for track in tracker.step(detections)
            ]
            yield make_frame(path, picture, objects=objects)

    def compare_tracks(self, expected: TracksByFrame, actual: TracksByFrame) -> Agreement:
        """The worst of the frames. A track's number does not matter, that it goes on does."""
        numbers = _match_tracks(expected, actual)
        return worst_agreement(
            [
                self.compare(
                    [_as_detection(each, each.id) for each in reference],
                    [_as_detection(each, numbers.get(each.id)) for each in objects],
                )
                for reference, objects in zip(expected, actual, strict=True)
            ]
        )

    def rows(self, frames: Sequence[Frame]) -> list[Row]:
        """A row a track, in the order they appear: its frames, and their mean score."""
        tracks: dict[int, list[tuple[int, PredictedObject]]] = {}
        for number, frame in enumerate(frames):
            for each in frame.objects:
                tracks.setdefault(each.id if each.id is not None else 0, []).append((number, each))
        return [_track_row(track, path) for track, path in tracks.items()]

    def summarise(self, frames: Sequence[Frame]) -> list[str]:
        """How many tracks."""
        ids = {each.id for frame in frames for each in frame.objects}
        return [format_count(len(ids), "track")]

    def picture_flags(self, _activation: str, _classes: str) -> list[str]:
        """A benchmark of one picture follows nothing."""
        return []

    def data_kind(self, tracker: TrackerConfig | None) -> TruthKind:
        """Of a clip the track of one object, or of many."""
        return "track" if isinstance(tracker, NanotrackConfig) else "tracks"


TRACK = Track(
    name="track",
    needs=("tracker",),
    owns=("tracker",),
    is_clip=True,
    columns=("Track", "Class", "Frames", "First", "Last", "Score"),
)


def _nanotrack_flags(config: NanotrackConfig, options: TaskOptions) -> list[str]:
    if options.init is None:
        raise WrongInput(
            "this model follows one object, and none was given",
            remedy="--init x,y,width,height of it in the first frame, in pixels",
        )
    return [
        *("--head-param", "head.ncnn.param", "--head-bin", "head.ncnn.bin"),
        *("--init", ",".join(f"{side:g}" for side in options.init)),
        *("--template", str(config.template), "--search", str(config.search)),
        *("--stride", str(config.stride), "--context", repr(config.context)),
        *("--penalty", repr(config.penalty), "--window", repr(config.window)),
        *("--rate", repr(config.rate)),
    ]


def _follow_object(net: Net, config: NanotrackConfig, film: PictureSet) -> Iterator[Frame]:
    import numpy as np

    x, y, width, height = film.init or (0, 0, 0, 0)
    first = (x, y, x + width, y + height)
    pictures, fed = tee(map(read_picture, film.pictures))
    followed = follow_object(
        _nanotrack_nets(net), config, net.preprocess, map(np.asarray, fed), first
    )
    for path, picture, each in zip(film.pictures, pictures, followed, strict=True):
        yield make_frame(
            path, picture, objects=[PredictedObject(class_=0, score=each.score, box=each.box)]
        )


def _nanotrack_nets(net: Net) -> NanotrackNets:
    if net.head is None:
        raise TypeError(net.task.name)
    return make_nets(net.compute, net.head)


def _track_row(track: int, frames: Sequence[tuple[int, PredictedObject]]) -> Row:
    (first, predicted), last = frames[0], frames[-1][0]
    return [
        *(number_cell(track), predicted.label or "", number_cell(len(frames))),
        *(number_cell(first), number_cell(last)),
        score_cell(fmean(each.score for _, each in frames)),
    ]


def _match_tracks(expected: TracksByFrame, actual: TracksByFrame) -> dict[int | None, int | None]:
    """Track of the one → track of the other that was in its place when it first appeared.

    Each has one name: a track that begins anew where another one went on matches none.
    """
    numbers: dict[int | None, int | None] = {}
    for reference, objects in zip(expected, actual, strict=True):
        detections = [[_as_detection(each, 0) for each in frame] for frame in (reference, objects)]
        for i, j in match_objects(*detections):
            if objects[j].id not in numbers and reference[i].id not in numbers.values():
                numbers[objects[j].id] = reference[i].id
    return numbers


def _as_detection(each: PredictedObject, track: int | None) -> DecodedObject:
    """The object with its track in place of the class; one that matches none stands alone."""
    return DecodedObject(class_=-1 if track is None else track, score=each.score, box=each.box)
