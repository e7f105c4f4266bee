"""Object keypoint similarity, COCO's measure of how well keypoints agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piyard.model.steps import Doubles, Mask


SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035),  # nose, eyes, ears
    *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),  # shoulders, elbows, wrists
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),  # hips, knees, ankles
)
"""How far people who annotate the 17 COCO keypoints disagree (cocodataset.org, keypoints-eval)."""


def sigmas(count: int) -> Doubles:
    """COCO's for 17 keypoints; else 1 / count for each."""
    import numpy as np

    return np.asarray(SIGMAS if count == len(SIGMAS) else [1 / count] * count)


def oks(ours: Doubles, theirs: Doubles, area: float, seen: Mask) -> float:
    """The mean of exp(-d^2 / (2 area (2 sigma)^2)) over the keypoints that are ``seen``.

    ``ours`` and ``theirs`` are (keypoints, 2 or more) of x, y, and d is their distance; ``area``,
    above 0, is the object's in the same pixels squared. 1 when no keypoint is seen.
    """
    import numpy as np

    if not seen.any():
        return 1.0
    far = ((ours[:, :2] - theirs[:, :2]) ** 2).sum(axis=1)
    spread = 2 * area * (2 * sigmas(len(ours))) ** 2
    return float(np.exp(-far / spread)[seen].mean())
