"""Tracks against a clip's truth: MOTA, IDF1 and HOTA by trackeval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from piyard.vision.bytetrack import TrackedObject
from piyard.vision.clips import (
    TrueObject,
)
from piyard.vision.overlap import tracked_iou
from piyard.vision.predictions import Frame

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles


TrackevalKeys = dict[str, Any]
"""What TrackEval takes of a clip, and what it gives back."""


SAME_OBJECT_IOU = 0.5
"""IoU from which a track counts as the object's."""


class MotMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One sequence's, or several sequences' together; shares are in percent."""

    mota: float
    """Bernardin and Stiefelhagen 2008; below 0 where there are more faults than objects."""
    idf1: float
    """Ristani et al. 2016."""
    hota: float
    """Luiten et al. 2021: the mean over IoU 0.05, 0.10 ... 0.95."""
    precision: float
    recall: float
    switches: int
    """Times that an object's track is another one than before."""
    false: int
    """Boxes without an object (false positives)."""
    missed: int
    """Objects, frame by frame, that no track covers."""
    boxes: int
    """Objects, frame by frame."""
    frames: int


class FrameOverlap(NamedTuple):
    """What counts in one frame: ids of n objects and m tracks, and their IoU (n, m)."""

    there: list[int]
    detected: list[int]
    overlap: Doubles


TruthByFrame = Mapping[int, Sequence[TrueObject]]
TracksByFrame = Mapping[int, Sequence[TrackedObject]]


def mot_metrics(sequences: Sequence[tuple[TruthByFrame, TracksByFrame]]) -> MotMetrics:
    """Figures over several sequences, each object and each frame weighing the same."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    data = [_trackeval_data(list(_frame_overlaps(truth, tracks))) for truth, tracks in sequences]
    quiet = {"PRINT_CONFIG": False, "THRESHOLD": SAME_OBJECT_IOU}
    clear, identity = (
        _combine_sequences(CLEAR(quiet), data),
        _combine_sequences(Identity(quiet), data),
    )
    hota = _combine_sequences(HOTA(), data)
    return MotMetrics(
        mota=100 * float(clear["MOTA"]),
        idf1=100 * float(identity["IDF1"]),
        hota=100 * float(hota["HOTA"].mean()),
        precision=100 * float(clear["CLR_Pr"]),
        recall=100 * float(clear["CLR_Re"]),
        switches=int(clear["IDSW"]),
        false=int(clear["CLR_FP"]),
        missed=int(clear["CLR_FN"]),
        boxes=sum(sequence["num_gt_dets"] for sequence in data),
        frames=sum(sequence["num_timesteps"] for sequence in data),
    )


def _combine_sequences(metric: Any, data: list[TrackevalKeys]) -> TrackevalKeys:
    each = {str(index): metric.eval_sequence(sequence) for index, sequence in enumerate(data)}
    total: TrackevalKeys = metric.combine_sequences(each)
    return total


def _frame_overlaps(truth: TruthByFrame, tracks: TracksByFrame) -> Iterator[FrameOverlap]:
    for number in range(1, max([0, *truth, *tracks]) + 1):
        yield _frame_overlap(truth.get(number, ()), tracks.get(number, ()))


def _frame_overlap(there: Sequence[TrueObject], tracks: Sequence[TrackedObject]) -> FrameOverlap:
    """MOTChallenge's rule: a track on a distractor is neither right nor wrong."""
    overlap = tracked_iou(_boxes_of(there), _boxes_of(tracks))
    rows = [row for row, truth in enumerate(there) if truth.counts]
    excused = _excused_tracks(there, overlap)
    columns = [column for column in range(len(tracks)) if column not in excused]
    return FrameOverlap(
        [there[row].id for row in rows],
        [tracks[column].id for column in columns],
        overlap[rows][:, columns],
    )


def _excused_tracks(there: Sequence[TrueObject], overlap: Doubles) -> set[int]:
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    score = np.where(overlap < SAME_OBJECT_IOU, 0, overlap)
    pairs = zip(*linear_sum_assignment(-score), strict=True)
    return {int(at) for row, at in pairs if score[row, at] > 0 and there[row].distractor}


def _trackeval_data(frames: list[FrameOverlap]) -> TrackevalKeys:
    """A sequence as trackeval's metrics take it: ids become 0, 1, 2 ..."""
    import numpy as np

    truths = _number_ids(frame.there for frame in frames)
    tracks = _number_ids(frame.detected for frame in frames)
    return {
        "num_timesteps": len(frames),
        "num_gt_dets": sum(len(frame.there) for frame in frames),
        "num_tracker_dets": sum(len(frame.detected) for frame in frames),
        "num_gt_ids": len(truths),
        "num_tracker_ids": len(tracks),
        "gt_ids": [
            np.array([truths[identity] for identity in frame.there], int) for frame in frames
        ],
        "tracker_ids": [
            np.array([tracks[identity] for identity in frame.detected], int) for frame in frames
        ],
        "similarity_scores": [frame.overlap for frame in frames],
    }


def _number_ids(ids: Iterator[list[int]]) -> dict[int, int]:
    distinct = sorted({identity for frame in ids for identity in frame})
    return {identity: number for number, identity in enumerate(distinct)}


def _boxes_of(objects: Sequence[TrueObject] | Sequence[TrackedObject]) -> Doubles:
    import numpy as np

    boxes: Doubles = np.array([each.box for each in objects], np.float64).reshape(-1, 4)
    return boxes


PERSON = "person"


def _tracked_persons(frames: Sequence[Frame]) -> Mapping[int, list[Any]]:
    """MOTChallenge judges pedestrians; frames are counted from 1."""
    return {
        number: [
            TrackedObject(id=each.id or 0, box=each.box, score=each.score, label=each.class_)
            for each in frame.objects
            if each.label in {PERSON, None}
        ]
        for number, frame in enumerate(frames, 1)
    }
