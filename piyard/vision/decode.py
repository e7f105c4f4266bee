"""A network's outputs → objects with masks and keypoints, as nnrun decodes them.

A mask is drawn from the prototypes P (coefficients, rows, columns) of a network whose input has
(in_rows, in_columns), the coefficients c of an object, and its box x0, y0, x1, y1 in the picture,
clipped to it.

1. Logits at prototype resolution, in float32: L = sum over k of c[k] * P[k]. No sigmoid: a mask is
   where the logit is above 0, which is where its sigmoid is above 0.5.
2. Of the picture's pixel in column x and row y only the centre counts. It belongs to the mask only
   if x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1.
3. The centre in the network's input (doubles): X = (x + 0.5) * scaled / length + margin, as the
   preprocessing placed the picture (letterbox: scaled = new width, length = the picture's width,
   margin = left).
4. In the prototypes (doubles): u = X * columns / in_columns - 0.5, clamped to 0 .. columns - 1;
   i = floor(u), and fu = u - i rounded to float32; v, j and fv likewise for rows.
5. In float32, the second neighbour clamped to the last one:
   upper = L[j][i] * (1 - fu) + L[j][i + 1] * fu, lower = the same of row j + 1;
   the pixel belongs to the mask if upper * (1 - fv) + lower * fv > 0.

That is one bilinear sampling in place of two (prototypes to input, input to picture), without what
lies in the letterbox's filling.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from piyard.vision.dense_head import (
    ChannelLayout,
    Places,
    channel_layout,
    output_mismatch,
    place_boxes,
    place_scores,
    read_places,
    select_candidates,
    sigmoid,
)
from piyard.vision.overlap import box_area, suppress_overlaps
from piyard.vision.predictions import DecodedObject
from piyard.vision.preprocess import AxisTransform, ImageTransform
from piyard.vision.schema import DenseHead, Heatmap, Simcc, Task

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Floats, Indices, Mask


def decode_keypoints(values: Doubles, places: Places, placing: ImageTransform) -> Doubles:
    """(objects, keypoints, 3) of x, y, score, from values (objects, 3 x keypoints).

    x = (2 x value + column) x stride, y alike with the row; the score is the third one's sigmoid.
    """
    import numpy as np

    triples = values.reshape(len(values), values.shape[1] // 3, 3)
    inside = triples[..., :2] * 2 * places.strides[:, None] + places.corners[:, None]
    return np.concatenate([placing.points_to_picture(inside), sigmoid(triples[..., 2:])], axis=-1)


class MaskSamples(NamedTuple):
    """Along one direction: both neighbours' indices, and the second one's share."""

    first: Indices
    second: Indices
    share: Floats


def draw_masks(
    coefficients: Floats,
    prototypes: Floats,
    boxes: Doubles,
    size: tuple[int, int],
    placing: ImageTransform,
) -> list[Mask]:
    """Masks (picture's rows, columns) of n objects with coefficients (n, k) and boxes (n, 4).

    ``size`` is the network's input (rows, columns).
    """
    import numpy as np

    logits = np.tensordot(coefficients, prototypes, axes=1).astype(np.float32, copy=False)
    return [_draw_mask(each, box, size, placing) for each, box in zip(logits, boxes, strict=True)]


def _draw_mask(
    logits: Floats, box: Doubles, size: tuple[int, int], placing: ImageTransform
) -> Mask:
    import numpy as np

    width, height = placing.size
    columns, rows = covered_pixels(box[0], box[2], width), covered_pixels(box[1], box[3], height)
    mask: Mask = np.zeros((height, width), np.bool_)
    across = _mask_samples(columns, placing.x, logits.shape[1], size[1])
    down = _mask_samples(rows, placing.y, logits.shape[0], size[0])
    mask[rows.start : rows.stop, columns.start : columns.stop] = (
        _sample_logits(logits, down, across) > 0
    )
    return mask


def covered_pixels(low: float, high: float, length: int) -> range:
    """The pixels whose centres lie in [low, high)."""
    return range(max(0, ceil(low - 0.5)), min(length, ceil(high - 0.5)))


def _mask_samples(pixels: range, axis: AxisTransform, count: int, length: int) -> MaskSamples:
    """Where the pixels' centres lie among ``count`` prototypes over ``length`` input pixels."""
    import numpy as np

    inside = axis.to_input(np.asarray(pixels, np.float64) + 0.5)
    at = np.clip(inside * count / length - 0.5, 0, count - 1)
    first = np.floor(at).astype(np.int64)
    return MaskSamples(first, np.minimum(first + 1, count - 1), (at - first).astype(np.float32))


def _sample_logits(logits: Floats, rows: MaskSamples, columns: MaskSamples) -> Floats:
    """Bilinear samples, shape (rows, columns)."""
    share = columns.share

    def along(indices: Indices) -> Floats:
        lines = logits[indices]
        sampled: Floats = lines[:, columns.first] * (1 - share) + lines[:, columns.second] * share
        return sampled

    down = rows.share[:, None]
    return along(rows.first) * (1 - down) + along(rows.second) * down


class SelectedPlaces(NamedTuple):
    """The selected places of the maps, best first."""

    places: Places
    classes: Indices
    scores: Doubles
    boxes: Doubles
    """(n, 4) of x0, y0, x1, y1; in pixels of the input, then of the picture."""

    def at(self, chosen: Indices) -> SelectedPlaces:
        """Those of them."""
        return SelectedPlaces(
            self.places.at(chosen), self.classes[chosen], self.scores[chosen], self.boxes[chosen]
        )


def decode_objects(
    head: DenseHead,
    task: Task,
    outputs: Sequence[Floats],
    size: tuple[int, int],
    placing: ImageTransform,
) -> list[DecodedObject]:
    """The objects that ``outputs`` for an input of ``size`` = (rows, columns) tell, best first.

    Equal scores are in the order of their places. Boxes are clipped to the picture; of the
    ``head.most`` best ones, those without area there are left out. A place with a value that is not
    finite is skipped. Raises ``WrongInput`` when the outputs are not what the head says.
    """
    maps = outputs[:-1] if task == "segment" else outputs
    table = read_places(maps, head.strides, size)
    at = channel_layout(head, task, outputs)
    kept = _map_to_picture(_select_places(head, table, at), placing)
    extra = kept.places.values[:, at.extra]
    match task:
        case "segment":
            drawn = draw_masks(extra.astype("float32"), outputs[-1], kept.boxes, size, placing)
            return _make_objects(kept, drawn)
        case "pose":
            return _make_objects(kept, points=decode_keypoints(extra, kept.places, placing))
        case _:
            return _make_objects(kept)


def _select_places(head: DenseHead, table: Places, at: ChannelLayout) -> SelectedPlaces:
    """What survives the score's threshold, non-maximum suppression and the head's ``most``."""
    import numpy as np

    scored = place_scores(head, table.values, at)
    finite = np.asarray(np.isfinite(table.values).all(axis=1), np.bool_)
    place, class_ = select_candidates(head, scored, finite)
    score = scored[place, class_]
    order = np.lexsort((class_, place, -score))
    selected = table.at(place[order])
    ranked = SelectedPlaces(selected, class_[order], score[order], place_boxes(head, selected, at))
    return ranked.at(suppress_overlaps(ranked.boxes, ranked.classes, head.nms)[: head.most])


def _map_to_picture(kept: SelectedPlaces, placing: ImageTransform) -> SelectedPlaces:
    import numpy as np

    mapped = kept._replace(boxes=placing.boxes_to_picture(kept.boxes))
    return mapped.at(np.flatnonzero(box_area(mapped.boxes) > 0))


def _make_objects(
    kept: SelectedPlaces, drawn: Sequence[Mask] | None = None, points: Doubles | None = None
) -> list[DecodedObject]:
    return [
        DecodedObject(
            class_=int(kept.classes[i]),
            score=float(kept.scores[i]),
            box=tuple(kept.boxes[i].tolist()),
            mask=None if drawn is None else drawn[i],
            keypoints=None if points is None else points[i],
        )
        for i in range(len(kept.scores))
    ]


def decode_pose(
    head: Simcc | Heatmap, outputs: Sequence[Floats], size: tuple[int, int], placing: ImageTransform
) -> Doubles:
    """(keypoints, 3) of x, y in the picture and score, as the network gave it.

    ``size`` is the network's input (rows, columns). Raises ``WrongInput`` when the outputs are not
    what the head says.
    """
    import numpy as np

    if isinstance(head, Simcc):
        inside, score = _decode_simcc(head, outputs, size)
    else:
        inside, score = _decode_heatmap(outputs, size)
    return np.concatenate([placing.points_to_picture(inside), score[:, None]], axis=1)


def _decode_simcc(
    head: Simcc, outputs: Sequence[Floats], size: tuple[int, int]
) -> tuple[Doubles, Doubles]:
    """Points (keypoints, 2) in the input, and scores."""
    import numpy as np

    bins = [round(side * head.split) for side in size[::-1]]
    if [output.ndim for output in outputs] != [2, 2] or [
        output.shape[1] for output in outputs
    ] != bins:
        raise output_mismatch(f"two outputs of {bins[0]} and {bins[1]} bins", outputs)
    points = np.stack([output.argmax(axis=1) for output in outputs], axis=1) / head.split
    score = np.min([output.max(axis=1) for output in outputs], axis=0).astype(np.float64)
    return points, score


def _decode_heatmap(outputs: Sequence[Floats], size: tuple[int, int]) -> tuple[Doubles, Doubles]:
    """Points (keypoints, 2) in the input, and scores."""
    import numpy as np

    if len(outputs) != 1 or outputs[0].ndim != 3:
        raise output_mismatch("one output (keypoints, rows, columns)", outputs)
    maps = outputs[0].astype(np.float64)
    count, rows, columns = maps.shape
    flat = maps.reshape(count, -1)
    row, column = np.divmod(flat.argmax(axis=1), columns)
    each = np.arange(count)
    x = column + _quarter_offset(maps[each, row], column)
    y = row + _quarter_offset(maps[each, :, column], row)
    points = np.stack([x * (size[1] / columns), y * (size[0] / rows)], axis=1)
    return points, flat.max(axis=1)


def _quarter_offset(lines: Doubles, at: Indices) -> Doubles:
    """A quarter towards the larger neighbour of ``at`` in each line; 0 where it has only one."""
    import numpy as np

    each, last = np.arange(len(lines)), lines.shape[1] - 1
    right, left = lines[each, np.minimum(at + 1, last)], lines[each, np.maximum(at - 1, 0)]
    return np.where((at > 0) & (at < last), np.sign(right - left) * 0.25, 0.0)
