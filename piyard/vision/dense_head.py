"""A dense head's outputs as a table, a line a place of its maps: channels, scores and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from piyard.core.errors import WrongInput
from piyard.vision.head_schema import DenseHead, Fcos, Nanodet, Rtmdet, Yolov5, Yolov8, Yolox

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Floats, Indices, Mask


def output_mismatch(why: str, outputs: Sequence[Floats]) -> WrongInput:
    """The error, with the outputs' shapes as evidence."""
    return WrongInput(
        f"the network's outputs are not what the model's `head` says: {why}",
        evidence="\n".join(f"output {i}: {output.shape}" for i, output in enumerate(outputs)),
        remedy="correct `head`, `task`, `input` or `cut`: keys of the model's YAML, "
        "flags of model.add",
    )


NO_CHANNELS = slice(0, 0)


class ChannelLayout(NamedTuple):
    """Ranges of channels; an empty one where a head has no such thing."""

    box: slice
    classes: slice
    object: slice = NO_CHANNELS
    """YOLOX's object, FCOS's centredness."""
    extra: slice = NO_CHANNELS
    """Mask coefficients, keypoints or an angle, the last ones."""


def channel_layout(
    head: DenseHead, outputs: Sequence[Floats], channels: int, extra: int
) -> ChannelLayout:
    """The layout of ``channels`` a place, of which the last ``extra`` are the task's own.

    Raises ``WrongInput`` where they are too few.
    """
    ranges = _head_layout(head, channels - extra)._replace(extra=slice(channels - extra, channels))
    if ranges.classes.stop <= ranges.classes.start:
        raise output_mismatch(f"{channels} channels per place are too few", outputs)
    return ranges


def _head_layout(head: DenseHead, channels: int) -> ChannelLayout:
    match head:
        case Yolov8():
            return ChannelLayout(
                box=slice(0, 4 * head.bins), classes=slice(4 * head.bins, channels)
            )
        case Yolov5() | Yolox():
            return ChannelLayout(box=slice(0, 4), object=slice(4, 5), classes=slice(5, channels))
        case Nanodet():
            first = channels - 4 * head.bins
            return ChannelLayout(classes=slice(0, first), box=slice(first, channels))
        case Rtmdet():
            return ChannelLayout(classes=slice(0, channels - 4), box=slice(channels - 4, channels))
        case Fcos():
            return ChannelLayout(
                classes=slice(0, channels - 5),
                box=slice(channels - 5, channels - 1),
                object=slice(channels - 1, channels),
            )


class Places(NamedTuple):
    """Some of a head's places, or all of them."""

    values: Doubles
    """(places, channels), as the network gave them."""
    corners: Doubles
    """(places, 2): (column, row) x stride, in pixels of the input."""
    strides: Doubles
    """(places, 1)."""
    maps: Indices
    """(places,) numbers of the maps they are in, of a head with anchors a map each."""

    def at(self, chosen: Indices) -> Places:
        """Those rows of the table."""
        return Places(
            self.values[chosen], self.corners[chosen], self.strides[chosen], self.maps[chosen]
        )


def split_anchors(
    head: DenseHead, outputs: Sequence[Floats]
) -> tuple[Sequence[Floats], Sequence[int]]:
    """The maps and their strides; of a head with anchors a map each, in the anchors' order."""
    import numpy as np

    if not isinstance(head, Yolov5):
        return outputs, head.strides
    count, levels = len(head.anchors[0]), _split_levels(outputs, head.strides)
    whole = [np.concatenate(level) for level in levels]
    if any(len(level) % count for level in whole):
        raise output_mismatch(f"{count} anchors need as many groups of channels", outputs)
    maps = [part for level in whole for part in np.split(level, count)]
    return maps, [stride for stride in head.strides for _ in range(count)]


def read_places(head: DenseHead, outputs: Sequence[Floats], size: tuple[int, int]) -> Places:
    """All places of maps for an input of ``size`` = (rows, columns).

    Raises ``WrongInput`` where the outputs cannot be such maps.
    """
    import numpy as np

    outputs, strides = split_anchors(head, outputs)
    levels = _split_levels(outputs, strides)
    for maps, stride in zip(levels, strides, strict=True):
        _check_maps(maps, stride, size)
    values = [np.concatenate(maps).astype(np.float64) for maps in levels]
    if len({level.shape[0] for level in values}) > 1:
        raise output_mismatch("levels have different numbers of channels", outputs)
    tables = [level.reshape(level.shape[0], -1).T for level in values]
    numbers = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    steps = np.asarray(strides, np.float64)[numbers, None]
    grid = np.concatenate([_grid(level.shape[1], level.shape[2]) for level in values])
    return Places(np.concatenate(tables), grid * steps, steps, numbers)


def _split_levels(outputs: Sequence[Floats], strides: Sequence[int]) -> list[Sequence[Floats]]:
    """The blobs of each level."""
    each, left = divmod(len(outputs), len(strides))
    if left or not each:
        raise output_mismatch(f"{len(strides)} strides need that many groups of outputs", outputs)
    return [outputs[first : first + each] for first in range(0, len(outputs), each)]


def _check_maps(maps: Sequence[Floats], stride: int, size: tuple[int, int]) -> None:
    shape = tuple(-(-side // stride) for side in size)
    if any(blob.ndim != 3 or blob.shape[1:] != shape for blob in maps):
        raise output_mismatch(f"stride {stride} of an input {size} makes maps of {shape}", maps)


def _grid(rows: int, columns: int) -> Doubles:
    """(rows x columns, 2) of column, row."""
    import numpy as np

    row, column = np.mgrid[0:rows, 0:columns].reshape(2, -1).astype(np.float64)
    return np.stack([column, row], axis=1)


def sigmoid(logits: Doubles) -> Doubles:
    """1 / (1 + exp(-logit)), without an overflow."""
    from scipy.special import expit

    shares: Doubles = expit(logits)
    return shares


def place_scores(head: DenseHead, values: Doubles, at: ChannelLayout) -> Doubles:
    """(places, classes), of values (places, channels)."""
    import numpy as np

    scored = sigmoid(values[:, at.classes])
    if at.object.stop > at.object.start:
        scored = scored * sigmoid(values[:, at.object])
    return np.sqrt(scored) if isinstance(head, Fcos) else scored


def is_end_to_end(head: DenseHead) -> bool:
    """Whether it tells each object once, so that nothing must be suppressed."""
    return isinstance(head, Yolov8) and head.end_to_end


def select_candidates(head: DenseHead, scored: Doubles, finite: Mask) -> tuple[Indices, Indices]:
    """(place, class) of each score not below the head's threshold, at the ``finite`` places.

    Of a place only its best class counts, the lowest index of equal ones; of FCOS and of an
    end-to-end head each does.
    """
    import numpy as np

    if isinstance(head, Fcos) or is_end_to_end(head):
        place, class_ = np.nonzero((scored >= head.score) & finite[:, None])
        return place, class_
    best = scored.argmax(axis=1)
    place = np.flatnonzero((scored.max(axis=1) >= head.score) & finite)
    return place, best[place]


LARGEST_LOG_SIZE = 80.0
"""Logarithm of a size that is far beyond any picture, and whose square is still a number."""


def place_boxes(head: DenseHead, places: Places, at: ChannelLayout) -> Doubles:
    """(places, 4) of x0, y0, x1, y1; not clipped."""
    values = places.values[:, at.box]
    match head:
        case Yolov8() | Nanodet():
            sides = place_sides(head, values) * places.strides
            return _boxes_around(places.corners + places.strides / 2, sides)
        case Yolov5():
            return _anchored_boxes(head, values, places)
        case Yolox():
            return _yolox_boxes(values, places)
        case Rtmdet():
            return _boxes_around(places.corners, values)
        case Fcos():
            # torchvision's anchors are centred on corners of places, not on their middles.
            return _boxes_around(places.corners, values.clip(min=0) * places.strides)


def _boxes_around(points: Doubles, sides: Doubles) -> Doubles:
    """Boxes whose left, top, right and bottom are ``sides`` away from ``points``."""
    import numpy as np

    return np.concatenate([points - sides[:, :2], points + sides[:, 2:]], axis=1)


def place_sides(head: Yolov8 | Nanodet, values: Doubles) -> Doubles:
    """(places, 4) of left, top, right, bottom in strides, from values (places, 4 x bins)."""
    return values if head.bins == 1 else _expected_sides(values, head.bins)


def _expected_sides(values: Doubles, bins: int) -> Doubles:
    """(places, 4) means of 0..bins-1 under the softmax of each side's values.

    That is the integral of Generalized Focal Loss (Li et al. 2020).
    """
    import numpy as np

    logits = values.reshape(len(values), 4, bins)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    mean: Doubles = (weights @ np.arange(logits.shape[-1])) / weights.sum(axis=-1)
    return mean


def _anchored_boxes(head: Yolov5, values: Doubles, places: Places) -> Doubles:
    import numpy as np

    shares = 2 * sigmoid(values)
    centres = places.corners + (shares[:, :2] - 0.5) * places.strides
    anchors = np.asarray(head.anchors, np.float64).reshape(-1, 2)[places.maps]
    half = shares[:, 2:] ** 2 * anchors / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def _yolox_boxes(values: Doubles, places: Places) -> Doubles:
    import numpy as np

    centres = places.corners + values[:, :2] * places.strides
    half = np.exp(values[:, 2:].clip(max=LARGEST_LOG_SIZE)) * places.strides / 2
    return np.concatenate([centres - half, centres + half], axis=1)
