"""Objects with a mask each, as nnrun draws them.

A mask is drawn from the prototypes P (coefficients, rows, columns) of a network whose input has
(in_rows, in_columns), the coefficients c of an object, and its box x0, y0, x1, y1 in the picture,
clipped to it.

1. Logits at prototype resolution, in float32: L = sum over k of c[k] * P[k]. No sigmoid: a mask is
   where the logit is above 0, which is where its sigmoid is above 0.5.
2. The picture's pixel in column x and row y belongs to the mask only if x0 <= x < x1 and
   y0 <= y < y1, as Ultralytics crops masks to boxes.
3. The grid G of logits: L enlarged f times, f the smallest of 1, 2 and 4 with which the picture's
   edges in the input (its margins, and where it ends) lie between cells of the grid; 1 if none is.
   Cell number g lies at u = (g + 0.5) / f - 0.5, clamped to 0 .. columns - 1, among the logits
   (doubles); i = floor(u), fu = u - i rounded to float32; rows alike. In float32, the second
   neighbour clamped to the last one, columns first:
   upper = L[j][i] * (1 - fu) + L[j][i + 1] * fu, lower = the same of row j + 1;
   G = upper * (1 - fv) + lower * fv.
4. The pixel's centre in the network's input (doubles): X = (x + 0.5) * scaled / length + margin,
   as the preprocessing placed the picture (letterbox: scaled = new width, length = the picture's
   width, margin = left).
5. In the grid (doubles): u = X * f * columns / in_columns - 0.5, clamped to the cells that the
   picture covers; the sample of G there is made as in 3, and the pixel belongs to the mask if it
   is above 0.

So does Ultralytics 8.4 (its ``retina_masks``): it enlarges until the letterbox's filling is cut off
between two cells, then resizes what is left. Around a prototype the sample is not the prototype's
own value then, but one of the chord past it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from piyard.core.tables import Cell, number_cell
from piyard.vision.head_schema import DenseHead
from piyard.vision.predictions import DecodedObject, PredictedObject, mask_area
from piyard.vision.schema import TrackerConfig
from piyard.vision.tasks.base import Row, TruthKind
from piyard.vision.tasks.detect import OBJECT_COLUMNS, Detect, SelectedPlaces
from piyard.vision.transforms import AxisTransform, ImageTransform

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


GRID_FACTORS = (1, 2, 4)


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
    down, across = place_grid(logits.shape, size, transform)
    grid = logits
    if down.factor > 1:
        grid = _sample_logits(logits, down.cell_samples(), across.cell_samples())
    mask[rows.start : rows.stop, columns.start : columns.stop] = (
        _sample_logits(grid, down.pixel_samples(rows), across.pixel_samples(columns)) > 0
    )
    return mask


def covered_pixels(low: float, high: float, length: int) -> range:
    """The pixels whose numbers lie in [low, high)."""
    return range(max(0, ceil(low)), min(length, ceil(high)))


class GridAxis(NamedTuple):
    """One direction: prototypes over ``length`` input pixels, ``factor`` cells each."""

    axis: AxisTransform
    prototypes: int
    length: int
    factor: int

    def edges(self) -> tuple[float, float]:
        """The picture's, in cells."""
        start = max(0.0, self.axis.margin)
        end = min(float(self.length), self.axis.margin + self.axis.scaled)
        cells = self.prototypes * self.factor
        return start * cells / self.length, end * cells / self.length

    def cuts_no_cell(self) -> bool:
        """Whether the picture's edges lie between cells."""
        return all(edge.is_integer() for edge in self.edges())

    def cell_samples(self) -> MaskSamples:
        """Where the cells' centres lie among the prototypes."""
        import numpy as np

        cells = np.arange(self.prototypes * self.factor, dtype=np.float64)
        return _mask_samples((cells + 0.5) / self.factor - 0.5, 0, self.prototypes - 1)

    def pixel_samples(self, pixels: range) -> MaskSamples:
        """Where the pixels' centres lie among the cells that the picture covers."""
        import numpy as np

        inside = self.axis.to_input(np.asarray(pixels, np.float64) + 0.5)
        first, end = self.edges()
        at = inside * (self.prototypes * self.factor) / self.length - 0.5
        return _mask_samples(at, floor(first), ceil(end) - 1)


def place_grid(
    shape: tuple[int, ...], size: tuple[int, int], transform: ImageTransform
) -> tuple[GridAxis, GridAxis]:
    """Rows and columns of the grid, over prototypes (rows, columns) = ``shape``."""

    def enlarge(factor: int) -> tuple[GridAxis, GridAxis]:
        return (
            GridAxis(transform.y, shape[0], size[0], factor),
            GridAxis(transform.x, shape[1], size[1], factor),
        )

    grids = map(enlarge, GRID_FACTORS)
    return next((each for each in grids if all(axis.cuts_no_cell() for axis in each)), enlarge(1))


def _mask_samples(at: Doubles, least: int, last: int) -> MaskSamples:
    import numpy as np

    inside = np.clip(at, least, last)
    first = np.floor(inside).astype(np.int64)
    return MaskSamples(first, np.minimum(first + 1, last), (inside - first).astype(np.float32))


def _sample_logits(logits: Floats, rows: MaskSamples, columns: MaskSamples) -> Floats:
    """Bilinear samples, shape (rows, columns)."""
    share = columns.share

    def along(indices: Indices) -> Floats:
        lines = logits[indices]
        sampled: Floats = lines[:, columns.first] * (1 - share) + lines[:, columns.second] * share
        return sampled

    down = rows.share[:, None]
    return along(rows.first) * (1 - down) + along(rows.second) * down
