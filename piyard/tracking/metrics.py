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
"""IoU from which a track found an object."""


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
    """Boxes where nothing is."""
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


def mot_figures(truth: Truths, found: Founds) -> MotFigures:
    """Figures of one sequence: its truth and its tracks, frame by frame."""
    return mot_figures_together([(truth, found)])


def mot_figures_together(sequences: Sequence[tuple[Truths, Founds]]) -> MotFigures:
    """Figures over several sequences, each object and each frame weighing the same."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    data = [_data(list(_frames(truth, found))) for truth, found in sequences]
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
        boxes=sum(one["num_gt_dets"] for one in data),
        frames=sum(one["num_timesteps"] for one in data),
    )


def _total(metric: Any, data: list[dict[str, Any]]) -> dict[str, Any]:
    each = {str(index): metric.eval_sequence(one) for index, one in enumerate(data)}
    total: dict[str, Any] = metric.combine_sequences(each)
    return total


def _frames(truth: Truths, found: Founds) -> Iterator[Frame]:
    for number in range(1, max([0, *truth, *found]) + 1):
        yield _frame(truth.get(number, ()), found.get(number, ()))


def _frame(there: Sequence[Truth], found: Sequence[Tracked]) -> Frame:
    """MOTChallenge's rule: a track on a distractor is neither right nor wrong."""
    overlap = iou(_boxes(there), _boxes(found))
    rows = [row for row, one in enumerate(there) if one.counts]
    excused = _excused(there, overlap)
    columns = [column for column in range(len(found)) if column not in excused]
    return Frame(
        [there[row].id for row in rows],
        [found[column].id for column in columns],
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
        "gt_ids": [np.array([truths[one] for one in frame.there], int) for frame in frames],
        "tracker_ids": [np.array([tracks[one] for one in frame.found], int) for frame in frames],
        "similarity_scores": [frame.overlap for frame in frames],
    }


def _numbered(ids: Iterator[list[int]]) -> dict[int, int]:
    known = sorted({one for frame in ids for one in frame})
    return {one: number for number, one in enumerate(known)}


def _boxes(objects: Sequence[Truth] | Sequence[Tracked]) -> Doubles:
    import numpy as np

    boxes: Doubles = np.array([one.box for one in objects], np.float64).reshape(-1, 4)
    return boxes
