"""Objects with a mask each, as nnrun draws them.

A mask is drawn from the prototypes P (coefficients, rows, columns) of a network whose input has
(in_rows, in_columns), the coefficients c of an object, and its box x0, y0, x1, y1 in the picture,
clipped to it.

1. Logits at prototype resolution, in float32: L = sum over k of c[k] * P[k]. No sigmoid: a mask is
   where the logit is above 0, which is where its sigmoid is above 0.5.
2. The picture's pixel in column x and row y belongs to the mask only if x0 <= x < x1 and
   y0 <= y < y1, as Ultralytics crops masks to boxes.
3. The pixel's centre in the network's input (doubles): X = (x + 0.5) * scaled / length + margin,
   as the preprocessing placed the picture (letterbox: scaled = new width, length = the picture's
   width, margin = left).
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

import msgspec

from piyard.core.tables import Cell, number_cell
from piyard.vision.predictions import DecodedObject, PredictedObject, mask_area
from piyard.vision.preprocess import AxisTransform, ImageTransform
from piyard.vision.schema import DenseHead, TrackerConfig
from piyard.vision.tasks.base import Row, TruthKind
from piyard.vision.tasks.detect import OBJECT_COLUMNS, Detect, SelectedPlaces

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Floats, Indices, Mask


class Segment(Detect, frozen=True, kw_only=True):
    """The last output are the prototypes; an object's extra channels weigh them."""

    def extra_channels(self, _head: DenseHead, outputs: Sequence[Floats], _channels: int) -> int:
        """A coefficient a prototype."""
        return len(outputs[-1])

    def add_extra(
        self,
        objects: list[DecodedObject],
        selected: SelectedPlaces,
        extra: Doubles,
        outputs: Sequence[Floats],
        size: tuple[int, int],
        transform: ImageTransform,
    ) -> list[DecodedObject]:
        """Their masks."""
        masks = draw_masks(extra.astype("float32"), outputs[-1], selected.boxes, size, transform)
        return [
            msgspec.structs.replace(each, mask=mask)
            for each, mask in zip(objects, masks, strict=True)
        ]

    def cells(self, predicted: PredictedObject | None) -> Row:
        """The mask's area."""
        mask = predicted.mask if predicted else None
        return [number_cell(mask_area(mask)) if mask else Cell("", None)]

    def data_kind(self, _tracker: TrackerConfig | None) -> TruthKind:
        """Its objects' outlines."""
        return "outline"

    def coco_result(self, predicted: PredictedObject) -> dict[str, object]:
        """The mask; the box of an object without one."""
        mask = predicted.mask
        if mask is None:
            return super().coco_result(predicted)
        return {"segmentation": {"size": list(mask.size), "counts": mask.counts}}


SEGMENT = Segment(
    name="segment",
    needs=("labels", "head"),
    extra_outputs=1,
    columns=(*OBJECT_COLUMNS, "Mask (px)"),
    ultralytics_head="yolov8",
    coco_type="segm",
)


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
    transform: ImageTransform,
) -> list[Mask]:
    """Masks (picture's rows, columns) of n objects with coefficients (n, k) and boxes (n, 4).

    ``size`` is the network's input (rows, columns).
    """
    import numpy as np

    logits = np.tensordot(coefficients, prototypes, axes=1).astype(np.float32, copy=False)
    return [_draw_mask(each, box, size, transform) for each, box in zip(logits, boxes, strict=True)]


def _draw_mask(
    logits: Floats, box: Doubles, size: tuple[int, int], transform: ImageTransform
) -> Mask:
    import numpy as np

    width, height = transform.size
    columns, rows = covered_pixels(box[0], box[2], width), covered_pixels(box[1], box[3], height)
    mask: Mask = np.zeros((height, width), np.bool_)
    across = _mask_samples(columns, transform.x, logits.shape[1], size[1])
    down = _mask_samples(rows, transform.y, logits.shape[0], size[0])
    mask[rows.start : rows.stop, columns.start : columns.stop] = (
        _sample_logits(logits, down, across) > 0
    )
    return mask


def covered_pixels(low: float, high: float, length: int) -> range:
    """The pixels whose numbers lie in [low, high)."""
    return range(max(0, ceil(low)), min(length, ceil(high)))


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
