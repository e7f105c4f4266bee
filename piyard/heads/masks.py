"""Mask coefficients and prototypes → one mask an object, in the picture's own pixels.

nnrun computes the same. Input: the prototypes P (coefficients, rows, columns) of a network whose
input has (in_rows, in_columns), the coefficients c of an object, and its box x0, y0, x1, y1 in the
picture, clipped to it.

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

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from piyard.preprocess.placing import Axis, Placing

if TYPE_CHECKING:
    from piyard.model.steps import Doubles, Floats, Indices, Mask


class Samples(NamedTuple):
    """Along one direction: both neighbours' indices, and the second one's share."""

    first: Indices
    second: Indices
    share: Floats


def drawn(
    coefficients: Floats,
    prototypes: Floats,
    boxes: Doubles,
    size: tuple[int, int],
    placing: Placing,
) -> list[Mask]:
    """Masks (picture's rows, columns) of n objects with coefficients (n, k) and boxes (n, 4).

    ``size`` is the network's input (rows, columns).
    """
    import numpy as np

    logits = np.tensordot(coefficients, prototypes, axes=1).astype(np.float32, copy=False)
    return [_mask(each, box, size, placing) for each, box in zip(logits, boxes, strict=True)]


def _mask(logits: Floats, box: Doubles, size: tuple[int, int], placing: Placing) -> Mask:
    import numpy as np

    width, height = placing.size
    columns, rows = centres(box[0], box[2], width), centres(box[1], box[3], height)
    mask: Mask = np.zeros((height, width), np.bool_)
    across = _samples(columns, placing.x, logits.shape[1], size[1])
    down = _samples(rows, placing.y, logits.shape[0], size[0])
    mask[rows.start : rows.stop, columns.start : columns.stop] = _sampled(logits, down, across) > 0
    return mask


def centres(low: float, high: float, length: int) -> range:
    """The pixels whose centres lie in [low, high)."""
    return range(max(0, ceil(low - 0.5)), min(length, ceil(high - 0.5)))


def _samples(pixels: range, axis: Axis, count: int, length: int) -> Samples:
    """Where the pixels' centres lie among ``count`` prototypes over ``length`` input pixels."""
    import numpy as np

    inside = axis.to_input(np.asarray(pixels, np.float64) + 0.5)
    at = np.clip(inside * count / length - 0.5, 0, count - 1)
    first = np.floor(at).astype(np.int64)
    return Samples(first, np.minimum(first + 1, count - 1), (at - first).astype(np.float32))


def _sampled(logits: Floats, rows: Samples, columns: Samples) -> Floats:
    """Bilinear samples, shape (rows, columns)."""
    share = columns.share

    def along(indices: Indices) -> Floats:
        lines = logits[indices]
        sampled: Floats = lines[:, columns.first] * (1 - share) + lines[:, columns.second] * share
        return sampled

    down = rows.share[:, None]
    return along(rows.first) * (1 - down) + along(rows.second) * down


def iou(ours: Mask, theirs: Mask) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = int((ours | theirs).sum())
    return int((ours & theirs).sum()) / union if union else 1.0
