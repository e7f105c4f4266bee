"""A picture as the network wants it: the YAML's geometry, then ncnn's normalisation.

nnrun computes the same on the board, to the last bit, from the flags of ``preprocess_flags``.
Coordinates are those of edges: pixel i reaches from i to i + 1, and its centre is at i + 0.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from piyard.vision.pictures import pixel_array, to_rgb
from piyard.vision.resampling import resample_region
from piyard.vision.schema import (
    ChannelOrder,
    Corners,
    Crop,
    Letterbox,
    Normalise,
    ObjectCrop,
    Preprocess,
    Resample,
    Stretch,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from piyard.vision.schema import Doubles, Floats, Pixels


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


def crop_centre(picture: Image, fit: Crop) -> Image:
    """Resized by its short side, then the centre square, rounded as torchvision rounds."""
    from PIL import Image

    resized = _resize_short_side(picture.size, fit.resize)
    left, top = _centre_corner(resized, fit.crop)
    small = picture.resize(resized, Image.Resampling[fit.resample.upper()])
    return small.crop((left, top, left + fit.crop, top + fit.crop))


def centre_transform(size: tuple[int, int], fit: Crop) -> ImageTransform:
    """Where a picture of ``size`` = (width, height) lies in the square."""
    resized = _resize_short_side(size, fit.resize)
    left, top = _centre_corner(resized, fit.crop)
    return ImageTransform(
        size=size,
        x=AxisTransform(length=size[0], scaled=resized[0], margin=-left),
        y=AxisTransform(length=size[1], scaled=resized[1], margin=-top),
    )


def _centre_corner(resized: tuple[int, int], side: int) -> tuple[int, int]:
    left, top = (round((length - side) / 2) for length in resized)
    return left, top


def _resize_short_side(size: tuple[int, int], short: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def resize_picture(picture: Image, size: tuple[int, int], resample: Resample) -> Pixels:
    """The picture as (rows, columns) = ``size``."""
    from PIL import Image

    if resample == "linear":
        return resample_region(pixel_array(picture), (0, 0, picture.width, picture.height), size)
    return pixel_array(picture.resize(size[::-1], Image.Resampling[resample.upper()]))


def resize_longest(picture: Image, longest: int, resample: Resample) -> Image:
    """The picture with its long side of that length; an odd short one gets a pixel more.

    As Hugging Face's Idefics3ImageProcessor does it.
    """
    from PIL import Image

    ratio = picture.width / picture.height
    wide = picture.width >= picture.height
    short = int(longest / ratio) if wide else int(longest * ratio)
    short = max(1, short + short % 2)
    size = (longest, short) if wide else (short, longest)
    return picture.resize(size, Image.Resampling[resample.upper()])


def fit_letterbox(picture: Image, fit: Letterbox, size: tuple[int, int]) -> Pixels:
    """The picture as large as its proportions allow within ``size``, the rest ``how.pad``."""
    import numpy as np

    at = letterbox_transform(picture.size, fit, size)
    top, left, height, width = map(int, (at.y.margin, at.x.margin, at.y.scaled, at.x.scaled))
    levels = np.empty((*size, 3), np.uint8)
    levels[:] = fit.pad
    levels[top : top + height, left : left + width] = resize_picture(
        picture, (height, width), fit.resample
    )
    return levels


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


BLACK = (0, 0, 0)

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


def crop_region(picture: Image, shown: Region, size: tuple[int, int]) -> Pixels:
    """That region as (rows, columns) = ``size``, black beyond the picture."""
    return resample_region(pixel_array(picture), shown, size, border=BLACK)


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


def normalise_pixels(pixels: Pixels, steps: Normalise) -> Floats:
    """The network's input of R, G, B levels (rows, columns, 3): channels first, contiguous."""
    import numpy as np

    ordered = _order_channels(pixels, steps.order)
    return np.ascontiguousarray(_scale_levels(ordered, steps).transpose(2, 0, 1))


LUMA_WEIGHTS = (19595, 38470, 7471)
"""Of R, G and B, in 65536ths."""
OPAQUE = 255


def _order_channels(pixels: Pixels, order: ChannelOrder) -> Pixels:
    import numpy as np

    if order == "gray":
        sums = pixels.astype(np.uint32) @ np.asarray(LUMA_WEIGHTS, np.uint32)
        return ((sums + (1 << 15)) >> 16).astype(np.uint8)[..., None]
    colours = pixels[..., ::-1] if order.startswith("bgr") else pixels
    if not order.endswith("a"):
        return colours
    return np.concatenate([colours, np.full_like(pixels[..., :1], OPAQUE)], axis=-1)


def _scale_levels(pixels: Pixels, steps: Normalise) -> Floats:
    """``value * norm + (-mean * norm)`` in float32 with one rounding, as a fused multiply-add.

    That is ncnn's substract_mean_normalize on a CPU with such an instruction; in float64 product
    and sum are exact, so the last conversion is the only rounding.
    """
    import numpy as np

    mean, norm = (np.asarray(figures, np.float32) for figures in (steps.mean, steps.norm))
    bias = (-mean * norm).astype(np.float64)
    exact: Doubles = pixels.astype(np.float64) * norm.astype(np.float64) + bias
    return exact.astype(np.float32)


def prepare_picture(picture: Image, fit: Preprocess, size: tuple[int, int]) -> Floats:
    """The network's input (channels, *size), contiguous.

    For fit ``box`` the object is the whole picture. ``size`` is (rows, columns), as in
    ``Model.input[1:]``.
    """
    return normalise_pixels(_fit_picture(to_rgb(picture), fit, size), fit)


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
            return object_transform(picture, _whole_picture(picture), fit, size)


def prepare_object(picture: Image, box: Corners, fit: ObjectCrop, size: tuple[int, int]) -> Floats:
    """The network's input (channels, *size) for the object in ``box`` of the picture."""
    return normalise_pixels(crop_region(to_rgb(picture), object_region(box, fit, size), size), fit)


def object_transform(
    picture: tuple[int, int], box: Corners, fit: ObjectCrop, size: tuple[int, int]
) -> ImageTransform:
    """Where ``prepare_object`` puts a picture of that (width, height)."""
    return region_transform(picture, object_region(box, fit, size), size)


def _fit_picture(picture: Image, fit: Preprocess, size: tuple[int, int]) -> Pixels:
    match fit:
        case Crop():
            return pixel_array(crop_centre(picture, fit))
        case Letterbox():
            return fit_letterbox(picture, fit, size)
        case Stretch():
            whole = picture
            if isinstance(fit.longest, int):
                whole = resize_longest(picture, fit.longest, fit.resample)
            return resize_picture(whole, size, fit.resample)
        case ObjectCrop():
            return crop_region(
                picture, object_region(_whole_picture(picture.size), fit, size), size
            )


def _whole_picture(size: tuple[int, int]) -> Corners:
    return 0.0, 0.0, float(size[0]), float(size[1])


def preprocess_flags(fit: Preprocess, size: tuple[int, int]) -> list[str]:
    """Flags for a network whose input has ``size`` = (rows, columns)."""
    return [*_geometry_flags(fit, size), *_level_flags(fit)]


def _geometry_flags(fit: Preprocess, size: tuple[int, int]) -> list[str]:
    match fit:
        case Crop():
            return [
                *("--resize", str(fit.resize), "--crop", str(fit.crop)),
                *("--resample", fit.resample),
            ]
        case Letterbox():
            return [
                *_fit_flags("letterbox", size),
                *(
                    "--pad",
                    _comma_separated(fit.pad),
                    "--place",
                    fit.place,
                    "--resample",
                    fit.resample,
                ),
            ]
        case Stretch():
            longest = [] if fit.longest is UNSET else ["--longest", str(fit.longest)]
            return [*_fit_flags("stretch", size), *longest, "--resample", fit.resample]
        case ObjectCrop():
            return [*_fit_flags("box", size), "--padding", repr(fit.padding)]


def _fit_flags(name: str, size: tuple[int, int]) -> list[str]:
    return ["--fit", name, "--size", f"{size[0]}x{size[1]}"]


def _level_flags(steps: Preprocess) -> list[str]:
    return [
        "--order",
        steps.order,
        "--mean",
        _comma_separated(steps.mean),
        "--norm",
        _comma_separated(steps.norm),
    ]


def _comma_separated(values: Iterable[float]) -> str:
    return ",".join(map(repr, values))
