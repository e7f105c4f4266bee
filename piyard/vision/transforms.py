"""Where a picture lies in the network's input, and what lies in the input in the picture.

Coordinates are those of edges: pixel i reaches from i to i + 1, and its centre is at i + 0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from piyard.vision.schema import Corners, Crop, Letterbox, ObjectCrop, Preprocess, Stretch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from piyard.vision.schema import Doubles


class AxisTransform(msgspec.Struct, frozen=True, kw_only=True):
    """One direction: ``length`` pixels from ``start`` on became ``scaled`` from ``margin`` on."""

    length: float
    scaled: float
    margin: float = 0.0
    start: float = 0.0

    def to_picture(self, inside: Doubles) -> Doubles:
        """Coordinates in the network's input → in the picture."""
        return (inside - self.margin) * self.length / self.scaled + self.start

    def to_input(self, outside: Doubles) -> Doubles:
        """Coordinates in the picture → in the network's input."""
        return (outside - self.start) * self.scaled / self.length + self.margin


class ImageTransform(msgspec.Struct, frozen=True, kw_only=True):
    """Both directions, and the picture's (width, height)."""

    size: tuple[int, int]
    x: AxisTransform
    y: AxisTransform

    def points_to_picture(self, points: NDArray[np.floating]) -> Doubles:
        """(..., 2) of x, y in the network's input → in the picture, in float64."""
        import numpy as np

        at: Doubles = np.asarray(points, np.float64)
        return np.stack([self.x.to_picture(at[..., 0]), self.y.to_picture(at[..., 1])], axis=-1)

    def boxes_to_picture(self, boxes: NDArray[np.floating]) -> Doubles:
        """Boxes (n, 4) of x0, y0, x1, y1 in the network's input → in the picture, clipped to it."""
        import numpy as np

        corners = self.points_to_picture(np.asarray(boxes).reshape(-1, 2, 2))
        return np.clip(corners, 0.0, np.asarray(self.size, np.float64)).reshape(-1, 4)


def centre_transform(size: tuple[int, int], fit: Crop) -> ImageTransform:
    """Where a picture of ``size`` = (width, height) lies in the square."""
    resized = short_side_size(size, fit.resize)
    left, top = centre_corner(resized, fit.crop)
    return ImageTransform(
        size=size,
        x=AxisTransform(length=size[0], scaled=resized[0], margin=-left),
        y=AxisTransform(length=size[1], scaled=resized[1], margin=-top),
    )


def centre_corner(resized: tuple[int, int], side: int) -> tuple[int, int]:
    left, top = (round((length - side) / 2) for length in resized)
    return left, top


def short_side_size(size: tuple[int, int], short: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def letterbox_transform(
    picture: tuple[int, int], fit: Letterbox, size: tuple[int, int]
) -> ImageTransform:
    """Both sides times the smaller ratio, rounded half to even, at least one pixel."""
    ratio = min(size[1] / picture[0], size[0] / picture[1])
    scaled = [max(1, round(side * ratio)) for side in picture]
    margins = [there - here for there, here in zip(size[::-1], scaled, strict=True)]
    left, top = (margin // 2 if fit.place == "centre" else 0 for margin in margins)
    return ImageTransform(
        size=picture,
        x=AxisTransform(length=picture[0], scaled=scaled[0], margin=left),
        y=AxisTransform(length=picture[1], scaled=scaled[1], margin=top),
    )


def stretch_transform(picture: tuple[int, int], size: tuple[int, int]) -> ImageTransform:
    """The whole picture on the whole input."""
    return ImageTransform(
        size=picture,
        x=AxisTransform(length=picture[0], scaled=size[1]),
        y=AxisTransform(length=picture[1], scaled=size[0]),
    )


Region = tuple[float, float, float, float]
"""x0, y0, width, height."""


def object_region(box: Corners, fit: ObjectCrop, size: tuple[int, int]) -> Region:
    """The region shown for the object in ``box``, in doubles.

    Width w and height h of the box; where w * rows > h * columns, h = w * rows / columns, else
    w = h * columns / rows; then both times ``padding``, around (x0 + x1) / 2, (y0 + y1) / 2.
    """
    rows, columns = size
    w, h = box[2] - box[0], box[3] - box[1]
    if w * rows > h * columns:
        h = w * rows / columns
    else:
        w = h * columns / rows
    w, h = w * fit.padding, h * fit.padding
    return (box[0] + box[2]) / 2 - w / 2, (box[1] + box[3]) / 2 - h / 2, w, h


def region_transform(
    picture: tuple[int, int], shown: Region, size: tuple[int, int]
) -> ImageTransform:
    """Where a picture of that (width, height) lies."""
    x0, y0, width, height = shown
    return ImageTransform(
        size=picture,
        x=AxisTransform(length=width, scaled=size[1], start=x0),
        y=AxisTransform(length=height, scaled=size[0], start=y0),
    )


def picture_transform(
    picture: tuple[int, int], fit: Preprocess, size: tuple[int, int]
) -> ImageTransform:
    """Where ``apply`` puts a picture of that (width, height) in an input of (rows, columns)."""
    match fit:
        case Crop():
            return centre_transform(picture, fit)
        case Letterbox():
            return letterbox_transform(picture, fit, size)
        case Stretch():
            return stretch_transform(picture, size)
        case ObjectCrop():
            return object_transform(picture, whole_picture(picture), fit, size)


def object_transform(
    picture: tuple[int, int], box: Corners, fit: ObjectCrop, size: tuple[int, int]
) -> ImageTransform:
    """Where ``prepare_object`` puts a picture of that (width, height)."""
    return region_transform(picture, object_region(box, fit, size), size)


def whole_picture(size: tuple[int, int]) -> Corners:
    return 0.0, 0.0, float(size[0]), float(size[1])
