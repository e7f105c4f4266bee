"""How well a tracker follows, in percent: OTB's figures of one object, MOTChallenge's of persons.

OTB (Wu, Lim and Yang 2013, "Online Object Tracking: A Benchmark"): success is the share of frames
whose box overlaps the truth by more than a threshold; the area under its curve over the 21
thresholds 0, 0.05 ... 1 is their mean. Precision is the share of frames whose centre is at most
20 pixels away.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.core.errors import WrongInput
from piyard.evaluate.tracks import _tracked_persons
from piyard.vision.overlap import tracked_iou
from piyard.vision.predictions import Frame
from piyard.vision.schema import Corners

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles


SUCCESS_THRESHOLDS = 21
NEAR_PX = 20.0


class SotMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One sequence's; shares are in percent."""

    auc: float
    """The area under the success curve."""
    precision: float
    """Frames with a centre at most 20 pixels away."""
    overlap: float
    """The mean IoU."""
    frames: int


def sot_metrics(truth: Sequence[Corners], tracked: Sequence[Corners | None]) -> SotMetrics:
    """Figures of one sequence, frame by frame; ``None`` is a frame without a box."""
    import numpy as np

    if len(truth) != len(tracked) or not truth:
        raise WrongInput(f"{len(tracked)} boxes for {len(truth)} frames with a truth")
    there = np.array(truth, np.float64)
    boxes = np.array([box or (np.nan,) * 4 for box in tracked], np.float64)
    pairs = np.stack([there, boxes], axis=1)[:, :, None]
    overlaps = np.nan_to_num(np.array([tracked_iou(*pair) for pair in pairs]).ravel())
    distances = np.hypot(*(_box_centres(boxes) - _box_centres(there)).T)
    steps = np.linspace(0, 1, SUCCESS_THRESHOLDS)
    return SotMetrics(
        auc=100 * float(np.mean([(overlaps > step).mean() for step in steps])),
        precision=100 * float((distances <= NEAR_PX).mean()),
        overlap=100 * float(overlaps.mean()),
        frames=len(truth),
    )


def _box_centres(boxes: Doubles) -> Doubles:
    centres: Doubles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centres


def mot_figures(clips: Sequence[tuple[Any, Sequence[Frame]]]) -> dict[str, float | None]:
    """MOTA, IDF1 and HOTA in percent, over all clips together: their truth and their tracks.

    None where no object is there that counts.
    """
    from piyard.evaluate.tracks import mot_metrics

    pairs = [(truth, _tracked_persons(frames)) for truth, frames in clips]
    computed = mot_metrics(pairs)
    figures = {"HOTA": computed.hota, "MOTA": computed.mota, "IDF1": computed.idf1}
    return {name: value if computed.boxes else None for name, value in figures.items()}


def otb_figures(clips: Sequence[tuple[Any, Sequence[Frame]]]) -> dict[str, float]:
    """The area under the success curve and the precision at 20 pixels, in percent.

    Of several sequences the mean, each weighing the same, as OTB's own toolkit has it.
    """
    computed = [sot_metrics(truth, _followed_boxes(frames)) for truth, frames in clips]
    return {
        "AUC": fmean(each.auc for each in computed),
        "precision": fmean(each.precision for each in computed),
    }


def _followed_boxes(frames: Sequence[Frame]) -> list[Corners | None]:
    return [frame.objects[0].box if frame.objects else None for frame in frames]
