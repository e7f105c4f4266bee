"""NanoTrack: one object, looked for around where it was, by what it looked like at first.

HonglinChu's SiamTrackers, NanoTrack: networks after SiamBAN (Chen et al. 2020, "Siamese Box
Adaptive Network for Visual Tracking"), and SiamRPN's rules (Li et al. 2018) for choosing among
what they find. A backbone turns the first frame's object (the template) and what lies around it
in each frame (the search) into features; a head compares both, and says of each place of a grid
over the search whether the object is there, and how far its four sides are away. nnrun computes
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import floor, sqrt
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from piyard.core.errors import WrongInput
from piyard.vision.preprocess import normalise_pixels
from piyard.vision.resampling import resample_region
from piyard.vision.schema import Corners, NanotrackConfig, Normalise

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Floats, Pixels


MeanLevels = tuple[int, int, int]


def crop_subwindow(
    picture: Pixels, centre: tuple[float, float], side: int, size: int, beyond: MeanLevels
) -> Pixels:
    """``side`` pixels around the pixel at ``centre``, resampled to (made, made, 3).

    It begins at a whole pixel; outside the picture there is ``beyond``.
    """
    left, top = (floor(at - (side + 1) / 2 + 0.5) for at in centre)
    return resample_region(picture, (left, top, side, side), (size, size), border=beyond)


def mean_levels(picture: Pixels) -> MeanLevels:
    """The mean of each channel, cut off to a whole level as the authors' code does."""
    red, green, blue = picture.sum(axis=(0, 1), dtype=int) // (picture.shape[0] * picture.shape[1])
    return int(red), int(green), int(blue)


SHORTEST_SIDE = 10.0
"""Pixels; no side of a box becomes shorter."""


class NanotrackNets(NamedTuple):
    """The two networks, whoever computes them."""

    backbone: Callable[[Floats], Floats]
    """Input (3, side, side) → features (channels, rows, columns)."""
    head: Callable[[Floats, Floats], tuple[Floats, Floats]]
    """Template and search features → (2, n, n) logits of not being and being there, (4, n, n) sides
    left, top, right and bottom in pixels of the search."""


class FollowedObject(msgspec.Struct, frozen=True, kw_only=True):
    """The object in one frame."""

    box: Corners
    """x0, y0, x1, y1 in pixels; it may reach beyond the picture."""
    score: float
    """How sure the head is that the object is there, 0 to 1."""


class Estimate(NamedTuple):
    """Where the object is: the (fractional) index of the pixel in its centre, and its sides."""

    x: float
    y: float
    width: float
    height: float


class GridCandidates(NamedTuple):
    """A box each place of the grid; all of shape (n * n,), in pixels of the search."""

    x: Doubles
    """The centre, from the middle of the search."""
    y: Doubles
    width: Doubles
    height: Doubles
    score: Doubles


class NanoTracker:
    """One object through one video; pictures are (rows, columns, 3) in R, G, B.

    The object is what the first ``picture`` shows in ``box`` (x0, y0, x1, y1). Raises
    ``WrongInput`` where that is nothing.
    """

    def __init__(
        self,
        nets: NanotrackNets,
        config: NanotrackConfig,
        levels: Normalise,
        picture: Pixels,
        box: Corners,
    ) -> None:
        check_box(box, (picture.shape[1], picture.shape[0]))
        self._nets, self._how, self._levels = nets, config, levels
        width, height = box[2] - box[0], box[3] - box[1]
        self._belief = Estimate(box[0] + (width - 1) / 2, box[1] + (height - 1) / 2, width, height)
        self._beyond = mean_levels(picture)
        side = float(context_side(width, height, self._how.context))
        self._template = self._features(picture, side, self._how.template)

    def step(self, picture: Pixels) -> FollowedObject:
        """Where the object is in the next frame."""
        config, before = self._how, self._belief
        side = float(context_side(before.width, before.height, config.context))
        features = self._features(picture, side * (config.search / config.template), config.search)
        scale = config.template / side
        boxes = grid_candidates(*self._nets.head(self._template, features), config.stride)
        penalty = change_penalties(boxes, before.width * scale, before.height * scale, config)
        best = best_candidate(boxes, penalty, config)
        rate = float(penalty[best] * boxes.score[best]) * config.rate
        moved = Estimate(
            float(boxes.x[best]) / scale + before.x,
            float(boxes.y[best]) / scale + before.y,
            before.width * (1 - rate) + float(boxes.width[best]) / scale * rate,
            before.height * (1 - rate) + float(boxes.height[best]) / scale * rate,
        )
        self._belief = clip_estimate(moved, (picture.shape[1], picture.shape[0]))
        return FollowedObject(box=estimate_corners(self._belief), score=float(boxes.score[best]))

    def _features(self, picture: Pixels, side: float, size: int) -> Floats:
        centre = (self._belief.x, self._belief.y)
        shown = crop_subwindow(picture, centre, round(side), size, self._beyond)
        return self._nets.backbone(normalise_pixels(shown, self._levels))


def follow_object(
    nets: NanotrackNets,
    config: NanotrackConfig,
    levels: Normalise,
    pictures: Iterable[Pixels],
    box: Corners,
) -> Iterator[FollowedObject]:
    """Where the object is in each picture; in the first one it is in ``box``."""
    tracker = None
    for picture in pictures:
        if tracker:
            yield tracker.step(picture)
        else:
            tracker = NanoTracker(nets, config, levels, picture, box)
            yield FollowedObject(box=box, score=1.0)


def check_box(box: Corners, size: tuple[int, int]) -> None:
    """Raises ``WrongInput`` for a box that has no area in a picture of (width, height)."""
    x0, y0, x1, y1 = box
    if not (max(x0, 0) < min(x1, size[0]) and max(y0, 0) < min(y1, size[1])):
        raise WrongInput(
            f"the box {x0:g},{y0:g},{x1 - x0:g},{y1 - y0:g} shows nothing of a picture of "
            f"{size[0]}x{size[1]} pixels",
            remedy="give x,y,width,height of the object in the first frame",
        )


def context_side(width: Doubles | float, height: Doubles | float, context: float) -> Doubles:
    """The side of the square that shows a box with its surroundings."""
    import numpy as np

    around = context * (width + height)
    side: Doubles = np.sqrt((width + around) * (height + around))
    return side


def grid_candidates(scores: Floats, sides: Floats, stride: int) -> GridCandidates:
    """The head's two outputs as boxes, row by row of the grid."""
    import numpy as np

    count = scores.shape[1]
    at = (np.arange(count, dtype=np.float64) - count // 2) * stride
    x, y = np.tile(at, count), np.repeat(at, count)
    left, top, right, bottom = sides.reshape(4, -1).astype(np.float64)
    absent, present = scores.reshape(2, -1).astype(np.float64)
    return GridCandidates(
        x=x + (right - left) * 0.5,
        y=y + (bottom - top) * 0.5,
        width=left + right,
        height=top + bottom,
        score=1 / (1 + np.exp(absent - present)),
    )


def change_penalties(
    boxes: GridCandidates, width: float, height: float, config: NanotrackConfig
) -> Doubles:
    """1 for a box as large and of the proportions as before, less the more it changes."""
    import numpy as np

    size = context_side(boxes.width, boxes.height, config.context) / context_side(
        width, height, config.context
    )
    proportions = (width / height) / (boxes.width / boxes.height)
    change = np.maximum(size, 1 / size) * np.maximum(proportions, 1 / proportions)
    penalty: Doubles = np.exp(-(change - 1) * config.penalty)
    return penalty


def best_candidate(boxes: GridCandidates, penalty: Doubles, config: NanotrackConfig) -> int:
    """The place with the best mean of score and nearness to where the object was."""
    import numpy as np

    hann = np.hanning(round(sqrt(penalty.size)))
    near = np.outer(hann, hann).ravel()
    return int(np.argmax(penalty * boxes.score * (1 - config.window) + near * config.window))


def clip_estimate(belief: Estimate, size: tuple[int, int]) -> Estimate:
    """Clipped to a picture of that (width, height), and not below the shortest side."""
    width, height = size
    return Estimate(
        max(0.0, min(belief.x, width)),
        max(0.0, min(belief.y, height)),
        max(SHORTEST_SIDE, min(belief.width, width)),
        max(SHORTEST_SIDE, min(belief.height, height)),
    )


def estimate_corners(belief: Estimate) -> Corners:
    """x0, y0, x1, y1."""
    left, top = belief.x - belief.width / 2, belief.y - belief.height / 2
    return left, top, left + belief.width, top + belief.height


ComputeNet = Callable[..., Sequence["Floats"]]
"""Inputs → outputs of a network."""
SCORE_CHANNELS, SIDE_CHANNELS = 2, 4
"""Channels of the head's outputs, which tell them apart whatever their order is."""


def make_nets(backbone: ComputeNet, head: ComputeNet) -> NanotrackNets:
    """The two networks, whoever computes them: ncnn, or what their authors published."""
    return NanotrackNets(
        backbone=lambda values: backbone(values)[0],
        head=lambda template, search: sort_outputs(head(template, search)),
    )


def sort_outputs(outputs: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The head's scores (2, n, n) and sides (4, n, n). Raises ``WrongInput`` for other outputs."""
    by_channels = {output.shape[0]: output for output in outputs}
    if len(outputs) != len(by_channels) or by_channels.keys() != {SCORE_CHANNELS, SIDE_CHANNELS}:
        shapes = " and ".join("x".join(map(str, output.shape)) for output in outputs)
        raise WrongInput(f"the head's outputs are {shapes}; NanoTrack's are 2xnxn and 4xnxn")
    return by_channels[SCORE_CHANNELS], by_channels[SIDE_CHANNELS]
