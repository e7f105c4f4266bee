"""A MOTChallenge det.txt, read as nnrun's ``track mot --detections`` reads it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from piyard.vision.bytetrack import Detection, is_trackable
from piyard.vision.clips import mot_rows


def read_mot_detections(path: Path) -> dict[int, list[Detection]]:
    """The detections of each frame that has any, in the file's order.

    A score above 1, as some detectors of MOT15 give it, is taken as 1; a box of less than a
    hundredth of a pixel in a side is left out. Raises ``WrongInput``.
    """
    detections = defaultdict(list)
    for frame, _, box, rest in mot_rows(path, first=1):
        if is_trackable(box):
            score = min(rest[0], 1.0) if rest else 1.0
            detections[frame].append(Detection(box=box, score=score))
    return dict(detections)
