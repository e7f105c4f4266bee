"""OTB's files and figures for one object that is followed.

Wu, Lim and Yang (2013, "Online Object Tracking: A Benchmark"). Success is the share of frames whose
box overlaps the truth by more than a threshold; the area under its curve over the 21 thresholds 0,
0.05 ... 1 is their mean. Precision is the share of frames whose centre is at most 20 pixels away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard import textfile
from piyard.errors import WrongInput
from piyard.model.steps import Corners
from piyard.tracking.overlap import iou

if TYPE_CHECKING:
    from piyard.model.steps import Doubles


THRESHOLDS = 21
NEAR_PX = 20.0


class SotFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One sequence's; shares are in percent."""

    auc: float
    """The area under the success curve."""
    precision: float
    """Frames with a centre at most 20 pixels away."""
    overlap: float
    """The mean IoU."""
    frames: int


def sot_figures(truth: Sequence[Corners], tracked: Sequence[Corners | None]) -> SotFigures:
    """Figures of one sequence, frame by frame; ``None`` is a frame without a box."""
    import numpy as np

    if len(truth) != len(tracked) or not truth:
        raise WrongInput(f"{len(tracked)} boxes for {len(truth)} frames with a truth")
    there = np.array(truth, np.float64)
    boxes = np.array([box or (np.nan,) * 4 for box in tracked], np.float64)
    pairs = np.stack([there, boxes], axis=1)[:, :, None]
    overlaps = np.nan_to_num(np.array([iou(*pair) for pair in pairs]).ravel())
    distances = np.hypot(*(_centres(boxes) - _centres(there)).T)
    steps = np.linspace(0, 1, THRESHOLDS)
    return SotFigures(
        auc=100 * float(np.mean([(overlaps > step).mean() for step in steps])),
        precision=100 * float((distances <= NEAR_PX).mean()),
        overlap=100 * float(overlaps.mean()),
        frames=len(truth),
    )


def read_truth(path: Path) -> list[Corners]:
    """groundtruth_rect.txt: ``x y w h`` a frame, by comma, blank or tab, pixels counted from 1.

    Gives x0, y0, x1, y1 with the picture's left upper corner at 0, 0. Raises ``WrongInput``.
    """
    lines = textfile.read(path).split("\n")
    return [_box(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _box(path: Path, number: int, line: str) -> Corners:
    try:
        x, y, width, height = map(float, re.split(r"[,\s]+", line.strip()))
    except ValueError:
        raise WrongInput(f"{path}:{number}: not x y w h: {line!r}") from None
    if not all(map(isfinite, (x, y, width, height))):
        raise WrongInput(f"{path}:{number}: not x y w h: {line!r}")
    return x - 1, y - 1, x - 1 + width, y - 1 + height


def _centres(boxes: Doubles) -> Doubles:
    centres: Doubles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centres
