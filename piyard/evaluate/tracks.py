"""Clips with tracks as truth (MOTChallenge, OTB), and MOTA, IDF1 and HOTA by trackeval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from piyard.core.errors import WrongInput
from piyard.core.parsing import read_text
from piyard.core.text import format_count
from piyard.vision.bytetrack import TrackedObject
from piyard.vision.clips import (
    SequenceInfo,
    TrueObject,
    number_frames,
    place_frames,
    read_mot_truth,
    read_otb_truth,
    read_sequence_info,
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
    found: list[int]
    overlap: Doubles


TruthByFrame = Mapping[int, Sequence[TrueObject]]
TracksByFrame = Mapping[int, Sequence[TrackedObject]]


def mot_metrics(truth: TruthByFrame, tracks: TracksByFrame) -> MotMetrics:
    """Figures of one sequence: its truth and its tracks, frame by frame."""
    return mot_metrics_together([(truth, tracks)])


def mot_metrics_together(sequences: Sequence[tuple[TruthByFrame, TracksByFrame]]) -> MotMetrics:
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
    tracks = _number_ids(frame.found for frame in frames)
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


def _number_ids(ids: Iterator[list[int]]) -> dict[int, int]:
    distinct = sorted({identity for frame in ids for identity in frame})
    return {identity: number for number, identity in enumerate(distinct)}


def _boxes_of(objects: Sequence[TrueObject] | Sequence[TrackedObject]) -> Doubles:
    import numpy as np

    boxes: Doubles = np.array([each.box for each in objects], np.float64).reshape(-1, 4)
    return boxes


MOT_TRUTH = Path("gt", "gt.txt")
OTB_TRUTH = "groundtruth_rect.txt"
PERSON = "person"
MOT15_COLUMNS = 10
"""MOT16 and later have nine, with classes; MOT15 has world coordinates in their place."""


class TruthClip(msgspec.Struct, frozen=True, kw_only=True):
    """The frames of one, and their truth."""

    pictures: Sequence[Path]
    truth: Any
    """By the picture's place, from 1 (MOT), or in the order of the pictures (OTB)."""
    init: tuple[float, float, float, float] | None = None
    fps: float = 30.0
    unseen: int = 0
    """Frames that have a truth and no picture: they are not judged."""


class TruthClips(msgspec.Struct, frozen=True, kw_only=True):
    """Several that are judged together."""

    name: str
    clips: Sequence[TruthClip]
    files: Sequence[Path]

    @property
    def detail(self) -> str:
        """Frames that cannot be judged, for people."""
        unseen = sum(clip.unseen for clip in self.clips)
        return f", {format_count(unseen, 'frame')} of the truth without a picture" if unseen else ""


def is_mot(path: Path) -> bool:
    """Whether it is a sequence, or a folder of some."""
    return bool(_sequence_folders(path))


def is_otb(path: Path) -> bool:
    """Whether it is a sequence of one object."""
    return (path / OTB_TRUTH).is_file()


def read_mot(path: Path, limit: int | None) -> TruthClips:
    """Each sequence, the first ``limit`` frames of it. Raises ``WrongInput``."""
    folders = _sequence_folders(path)
    if not folders:
        raise WrongInput(f"{path} holds no {MOT_TRUTH}", remedy="name a folder with img1/ and gt/")
    return TruthClips(
        name=path.resolve().name if len(folders) > 1 else _sequence_name(folders[0]),
        clips=[_read_mot_clip(folder, limit) for folder in folders],
        files=[folder / MOT_TRUTH for folder in folders],
    )


def read_otb(path: Path, limit: int | None) -> TruthClips:
    """The sequence, its first ``limit`` frames. Raises ``WrongInput``."""
    truth_file = path / OTB_TRUTH
    boxes, numbered = read_otb_truth(truth_file), number_frames(path / "img")
    places = _box_places(list(numbered), len(boxes), limit)
    if not places:
        raise WrongInput(
            f"{path}: {len(boxes)} boxes for {len(numbered)} frames",
            remedy="is img/ whole? leave in it only the frames that the boxes are of",
        )
    truth = [boxes[place] for place in places][:limit]
    x0, y0, x1, y1 = truth[0]
    clip = TruthClip(
        pictures=list(numbered.values())[:limit],
        truth=truth,
        init=(x0, y0, x1 - x0, y1 - y0),
        unseen=len(boxes) - len(places),
    )
    return TruthClips(name=path.resolve().name, clips=[clip], files=[truth_file])


def _box_places(numbers: Sequence[int], boxes: int, limit: int | None) -> Sequence[int]:
    """The box of each frame: a box a picture, or a box a number where some pictures are missing.

    Empty where it cannot be told. A limit may end before the pictures, and they before the boxes.
    """
    if len(numbers) == boxes:
        return range(boxes)
    span = max(numbers) - min(numbers) + 1 if numbers else 0
    begins = bool(limit) and span < boxes and min(numbers, default=2) <= 1
    spans = span == boxes or (begins and (limit or 0) <= len(numbers))
    return [number - min(numbers) for number in numbers] if spans else []


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


def _sequence_folders(path: Path) -> list[Path]:
    if (path / MOT_TRUTH).is_file():
        return [path]
    return (
        sorted(file.parent.parent for file in path.glob(f"*/{MOT_TRUTH}")) if path.is_dir() else []
    )


def _read_mot_clip(folder: Path, limit: int | None) -> TruthClip:
    info, file = _sequence_info(folder), folder / MOT_TRUTH
    numbered = number_frames(info.pictures if info else folder / "img1")
    if not numbered:
        raise WrongInput(f"{folder} holds no frames", remedy="they belong into img1/")
    truth = read_mot_truth(file, classes=_count_columns(file) != MOT15_COLUMNS)
    places = place_frames(list(numbered), truth, info.length if info else 0, file)
    frame_count = min(limit or len(numbered), len(numbered))
    return TruthClip(
        pictures=list(numbered.values())[:frame_count],
        truth={
            places[number]: boxes
            for number, boxes in truth.items()
            if places.get(number, frame_count + 1) <= frame_count
        },
        fps=info.fps if info else 30.0,
        unseen=len(truth.keys() - places.keys()),
    )


def _sequence_info(folder: Path) -> SequenceInfo | None:
    return read_sequence_info(folder) if (folder / "seqinfo.ini").is_file() else None


def _sequence_name(folder: Path) -> str:
    info = _sequence_info(folder)
    return info.name if info else folder.resolve().name


def _count_columns(file: Path) -> int:
    return read_text(file).lstrip().partition("\n")[0].count(",") + 1
