"""A picture as the network wants it: the YAML's geometry, then ncnn's normalisation.

nnrun computes the same on the board, to the last bit, from the flags of ``preprocess_flags``.
Coordinates are those of edges: pixel i reaches from i to i + 1, and its centre is at i + 0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from piyard.vision.transforms import (
    Region,
    centre_corner,
    letterbox_transform,
    object_region,
    short_side_size,
    whole_picture,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.vision.schema import Doubles, Floats, Pixels


def crop_centre(picture: Image, fit: Crop) -> Image:
    """Resized by its short side, then the centre square, rounded as torchvision rounds."""
    from PIL import Image

    resized = short_side_size(picture.size, fit.resize)
    left, top = centre_corner(resized, fit.crop)
    small = picture.resize(resized, Image.Resampling[fit.resample.upper()])
    return small.crop((left, top, left + fit.crop, top + fit.crop))


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


BLACK = (0, 0, 0)


def crop_region(picture: Image, shown: Region, size: tuple[int, int]) -> Pixels:
    """That region as (rows, columns) = ``size``, black beyond the picture."""
    return resample_region(pixel_array(picture), shown, size, border=BLACK)


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


def prepare_object(picture: Image, box: Corners, fit: ObjectCrop, size: tuple[int, int]) -> Floats:
    """The network's input (channels, *size) for the object in ``box`` of the picture."""
    return normalise_pixels(crop_region(to_rgb(picture), object_region(box, fit, size), size), fit)


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
            return crop_region(picture, object_region(whole_picture(picture.size), fit, size), size)
