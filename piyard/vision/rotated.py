"""Rotated boxes: corners, likeness of their Gaussians, suppression by it, overlap as polygons.

A rotated box is x, y, width, height, angle: its centre and sides in pixels, and the angle in
radians from the x axis towards the y axis, which is clockwise as a picture is seen. Its width lies
along the angle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piyard.vision.schema import Doubles, Indices
    from piyard.vision.transforms import ImageTransform


def rotated_corners(boxes: Doubles) -> Doubles:
    """(n, 4, 2) of x, y, in turn around each of boxes (n, 5)."""
    import numpy as np

    cosine, sine = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    along = np.stack([boxes[:, 2] / 2 * cosine, boxes[:, 2] / 2 * sine], axis=1)
    across = np.stack([-boxes[:, 3] / 2 * sine, boxes[:, 3] / 2 * cosine], axis=1)
    centres = boxes[:, :2]
    return np.stack(
        [
            centres + along + across,
            centres + along - across,
            centres - along - across,
            centres - along + across,
        ],
        axis=1,
    )


def enclosing_boxes(boxes: Doubles) -> Doubles:
    """(n, 4) of x0, y0, x1, y1 around boxes (n, 5)."""
    import numpy as np

    cosine, sine = np.abs(np.cos(boxes[:, 4])), np.abs(np.sin(boxes[:, 4]))
    across = (boxes[:, 2] * cosine + boxes[:, 3] * sine) / 2
    down = (boxes[:, 2] * sine + boxes[:, 3] * cosine) / 2
    half = np.stack([across, down], axis=1)
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def regularise_angles(boxes: Doubles) -> Doubles:
    """The same boxes (n, 5) with angles from 0 to pi / 2, for which some swap their sides."""
    import numpy as np

    x, y, width, height, angle = boxes.T
    swapped = np.mod(angle, np.pi) >= np.pi / 2
    sides = np.where(swapped, height, width), np.where(swapped, width, height)
    return np.stack([x, y, *sides, np.mod(angle, np.pi / 2)], axis=1)


def rotated_to_picture(boxes: Doubles, transform: ImageTransform) -> Doubles:
    """Boxes (n, 5) in the network's input → in the picture, regularised; not clipped.

    Where the two directions are not scaled alike a box becomes a parallelogram: its sides keep
    their lengths, and the angle is that of its width.
    """
    import numpy as np

    scale = np.array([axis.length / axis.scaled for axis in (transform.x, transform.y)])
    cosine, sine = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    along = np.stack([cosine * scale[0], sine * scale[1]], axis=1)
    across = np.stack([-sine * scale[0], cosine * scale[1]], axis=1)
    sides = np.stack(
        [
            boxes[:, 2] * np.sqrt(along[:, 0] ** 2 + along[:, 1] ** 2),
            boxes[:, 3] * np.sqrt(across[:, 0] ** 2 + across[:, 1] ** 2),
        ],
        axis=1,
    )
    angle = np.arctan2(along[:, 1], along[:, 0])
    centres = transform.points_to_picture(boxes[:, :2])
    return regularise_angles(np.concatenate([centres, sides, angle[:, None]], axis=1))


EPSILON = 1e-7
"""Ultralytics' own, which keeps its divisions and logarithms finite."""
FARTHEST = 100.0
"""Its largest Bhattacharyya distance."""


def gaussian_iou(ours: Doubles, theirs: Doubles) -> Doubles:
    """(n, m) of ProbIoU: how alike the Gaussians of boxes (n, 5) and (m, 5) are, from 0 to 1.

    A box is the Gaussian of a uniform density on it; the likeness is 1 - the Hellinger distance
    (Llerena, Zeni, Kristen and Jung 2021, "Gaussian Bounding Boxes and Probabilistic
    Intersection-over-Union for Object Detection", arXiv:2106.06072). Ultralytics' suppression of
    rotated boxes goes by it.
    """
    import numpy as np

    (a, b, c), (d, e, f) = _covariance(ours), _covariance(theirs)
    a, b, c = a[:, None] + d, b[:, None] + e, c[:, None] + f
    x = ours[:, None, 0] - theirs[:, 0]
    y = ours[:, None, 1] - theirs[:, 1]
    volume = a * b - c * c
    volumes = np.sqrt(_volume(ours)[:, None] * _volume(theirs))
    distance = (
        (a * y * y + b * x * x) / (volume + EPSILON) * 0.25
        - (c * x * y) / (volume + EPSILON) * 0.5
        + np.log(volume / (4 * volumes + EPSILON) + EPSILON) * 0.5
    )
    bounded = np.clip(distance, EPSILON, FARTHEST)
    likeness: Doubles = 1 - np.sqrt(1 - np.exp(-bounded) + EPSILON)
    return likeness


def _covariance(boxes: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Of x with x, y with y, and x with y."""
    import numpy as np

    width, height = boxes[:, 2] * boxes[:, 2] / 12, boxes[:, 3] * boxes[:, 3] / 12
    cosine, sine = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    return (
        width * cosine * cosine + height * sine * sine,
        width * sine * sine + height * cosine * cosine,
        (width - height) * cosine * sine,
    )


def _volume(boxes: Doubles) -> Doubles:
    """The determinant of the covariance."""
    import numpy as np

    a, b, c = _covariance(boxes)
    return np.maximum(a * b - c * c, 0)


def suppress_rotated(boxes: Doubles, classes: Indices, threshold: float) -> Indices:
    """Which of ``boxes`` (n, 5), best first, stay.

    One goes where any better one of its class is more alike than ``threshold`` by ProbIoU, even one
    that goes itself: Fast NMS (Bolya et al. 2019, "YOLACT"), as Ultralytics has it.
    """
    import numpy as np

    kept = np.ones(len(boxes), np.bool_)
    reach, limit = _squared_reach(boxes), distance_limit(threshold)
    for index in range(len(boxes) - 1):
        later = slice(index + 1, None)
        far = ((boxes[later, :2] - boxes[index, :2]) ** 2).sum(axis=1)
        near = 3 * far <= limit * (reach[later] + reach[index]) + 1
        chosen = index + 1 + np.flatnonzero(near & kept[later] & (classes[later] == classes[index]))
        alike = gaussian_iou(boxes[index : index + 1], boxes[chosen])[0]
        kept[chosen[alike > threshold]] = False
    return np.flatnonzero(kept)


def _squared_reach(boxes: Doubles) -> Doubles:
    """The square of each one's longer side."""
    import numpy as np

    return np.maximum(boxes[:, 2], boxes[:, 3]) ** 2


def distance_limit(threshold: float) -> float:
    """The largest Bhattacharyya distance of two boxes that are more alike than ``threshold``.

    A variance is at most a twelfth of the longer side's square, so that the distance is at least
    three times the centres' squared distance over the sum of those squares: boxes farther apart
    need not be compared.
    """
    import math

    likeness = 1 - (1 - threshold) ** 2
    return 1.001 * -math.log(likeness) if likeness > 0 else FARTHEST


def rotated_iou(ours: Doubles, theirs: Doubles) -> Doubles:
    """(n, m) of intersection over union of boxes (n, 5) and (m, 5), as polygons."""
    return polygon_iou(rotated_corners(ours), rotated_corners(theirs))


def polygon_iou(ours: Doubles, theirs: Doubles) -> Doubles:
    """(n, m) of intersection over union of polygons (n, i, 2) and convex ones (m, k, 2).

    The vertices are in turn, in either direction; 0 for what has no area.
    """
    import numpy as np

    overlap = np.zeros((len(ours), len(theirs)))
    low, high = (np.minimum, np.maximum)
    apart = (
        high(ours.min(axis=1)[:, None], theirs.min(axis=1)[None])
        >= low(ours.max(axis=1)[:, None], theirs.max(axis=1)[None])
    ).any(axis=-1)
    i, j = np.nonzero(~apart)
    if len(i) == 0:
        return overlap
    shared = np.abs(polygon_area(_intersect_polygons(ours[i], theirs[j])))
    union = np.abs(polygon_area(ours))[i] + np.abs(polygon_area(theirs))[j] - shared
    overlap[i, j] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def polygon_area(polygons: Doubles) -> Doubles:
    """Of polygons (n, k, 2), by the shoelace formula; its sign is the direction they turn in."""
    import numpy as np

    x, y = np.moveaxis(polygons - polygons[:, :1], -1, 0)
    areas: Doubles = (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1) / 2
    return areas


def _intersect_polygons(polygons: Doubles, convex: Doubles) -> Doubles:
    """The part of each polygon (n, i, 2) within the convex one (n, k, 2) of the same row.

    One cut after another (Sutherland and Hodgman 1974, "Reentrant polygon clipping").
    """
    import numpy as np

    turns = np.sign(polygon_area(convex))
    for edge in range(convex.shape[1]):
        start, end = convex[:, edge], convex[:, (edge + 1) % convex.shape[1]]
        polygons = _cut_polygons(polygons, start, (end - start) * turns[:, None])
    return polygons


def _cut_polygons(polygons: Doubles, start: Doubles, direction: Doubles) -> Doubles:
    """What of them lies on the inner side of a line; vertices may stand twice."""
    import numpy as np

    offset = polygons - start[:, None]
    here = direction[:, None, 0] * offset[..., 1] - direction[:, None, 1] * offset[..., 0]
    there = np.roll(here, -1, axis=1)
    crosses = (here < 0) != (there < 0)
    share = np.divide(here, here - there, out=np.zeros_like(here), where=crosses)
    crossing = polygons + share[..., None] * (np.roll(polygons, -1, axis=1) - polygons)
    count, vertices = here.shape
    points = np.stack([polygons, crossing], axis=2).reshape(count, 2 * vertices, 2)
    stays = np.stack([here >= 0, crosses], axis=2).reshape(count, 2 * vertices)
    order = np.argsort(~stays, axis=1, kind="stable")[:, : max(stays.sum(axis=1).max(), 1)]
    points = np.take_along_axis(points, order[..., None], axis=1)
    return np.where(np.take_along_axis(stays, order, axis=1)[..., None], points, points[:, :1])
