"""How well tracks fit the truth: MOTA, IDF1 and HOTA, computed by trackeval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from piyard.tracking.bytetrack import Tracked
from piyard.tracking.motchallenge import Truth
from piyard.tracking.overlap import iou

if TYPE_CHECKING:
    from piyard.model.steps import Doubles


SAME = 0.5
"""IoU from which a track counts as the object's."""


class MotFigures(msgspec.Struct, frozen=True, kw_only=True):
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


class Frame(NamedTuple):
    """What counts in one frame: ids of n objects and m tracks, and their IoU (n, m)."""

    there: list[int]
    found: list[int]
    overlap: Doubles


Truths = Mapping[int, Sequence[Truth]]
Founds = Mapping[int, Sequence[Tracked]]


def mot_figures(truth: Truths, tracks: Founds) -> MotFigures:
    """Figures of one sequence: its truth and its tracks, frame by frame."""
    return mot_figures_together([(truth, tracks)])


def mot_figures_together(sequences: Sequence[tuple[Truths, Founds]]) -> MotFigures:
    """Figures over several sequences, each object and each frame weighing the same."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    data = [_data(list(_frames(truth, tracks))) for truth, tracks in sequences]
    quiet = {"PRINT_CONFIG": False, "THRESHOLD": SAME}
    clear, identity = _total(CLEAR(quiet), data), _total(Identity(quiet), data)
    hota = _total(HOTA(), data)
    return MotFigures(
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


def _total(metric: Any, data: list[dict[str, Any]]) -> dict[str, Any]:
    each = {str(index): metric.eval_sequence(sequence) for index, sequence in enumerate(data)}
    total: dict[str, Any] = metric.combine_sequences(each)
    return total


def _frames(truth: Truths, tracks: Founds) -> Iterator[Frame]:
    for number in range(1, max([0, *truth, *tracks]) + 1):
        yield _frame(truth.get(number, ()), tracks.get(number, ()))


def _frame(there: Sequence[Truth], tracks: Sequence[Tracked]) -> Frame:
    """MOTChallenge's rule: a track on a distractor is neither right nor wrong."""
    overlap = iou(_boxes(there), _boxes(tracks))
    rows = [row for row, truth in enumerate(there) if truth.counts]
    excused = _excused(there, overlap)
    columns = [column for column in range(len(tracks)) if column not in excused]
    return Frame(
        [there[row].id for row in rows],
        [tracks[column].id for column in columns],
        overlap[rows][:, columns],
    )


def _excused(there: Sequence[Truth], overlap: Doubles) -> set[int]:
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    score = np.where(overlap < SAME, 0, overlap)
    pairs = zip(*linear_sum_assignment(-score), strict=True)
    return {int(at) for row, at in pairs if score[row, at] > 0 and there[row].distractor}


def _data(frames: list[Frame]) -> dict[str, Any]:
    """A sequence as trackeval's metrics take it: ids become 0, 1, 2 ..."""
    import numpy as np

    truths = _numbered(frame.there for frame in frames)
    tracks = _numbered(frame.found for frame in frames)
    return {
        "num_timesteps": len(frames),
        "num_gt_dets": sum(len(frame.there) for frame in frames),
        "num_tracker_dets": sum(len(frame.found) for frame in frames),
        "num_gt_ids": len(truths),
        "num_tracker_ids": len(tracks),
        "gt_ids": [
            np.array([truths[identity] for identity in frame.there], int) for frame in frames
        ],
        "tracker_ids": [
            np.array([tracks[identity] for identity in frame.found], int) for frame in frames
        ],
        "similarity_scores": [frame.overlap for frame in frames],
    }


def _numbered(ids: Iterator[list[int]]) -> dict[int, int]:
    distinct = sorted({identity for frame in ids for identity in frame})
    return {identity: number for number, identity in enumerate(distinct)}


def _boxes(objects: Sequence[Truth] | Sequence[Tracked]) -> Doubles:
    import numpy as np

    boxes: Doubles = np.array([each.box for each in objects], np.float64).reshape(-1, 4)
    return boxes
