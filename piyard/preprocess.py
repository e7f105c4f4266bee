"""A picture as the network wants it: Pillow's resampling, then ncnn's normalisation.

nnrun computes the same on the board from the flags of ``nnrun_flags``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from piyard.errors import WrongInput
from piyard.model import Preprocess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


def read(path: Path) -> Image:
    """The picture in RGB, turned upright as its EXIF orientation says. Raises ``WrongInput``."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise WrongInput(f"{path} is no picture that can be read: {error}") from None


def apply(picture: Image, how: Preprocess) -> NDArray[np.float32]:
    """The network's input, shape (3, crop, crop), contiguous."""
    import numpy as np

    pixels = np.asarray(cut(picture.convert("RGB"), how))
    ordered = pixels if how.order == "rgb" else pixels[..., ::-1]
    return np.ascontiguousarray(_normalised(ordered, how).transpose(2, 0, 1))


def cut(picture: Image, how: Preprocess) -> Image:
    """Resized by its short side, then the centre square, rounded as torchvision rounds."""
    from PIL import Image

    filters = Image.Resampling
    small = picture.resize(_size(picture.size, how.resize), filters[how.resample.upper()])
    left, top = (round((side - how.crop) / 2) for side in small.size)
    return small.crop((left, top, left + how.crop, top + how.crop))


def nnrun_flags(how: Preprocess) -> list[str]:
    """The same as arguments of nnrun's picture commands."""
    return [
        *("--resize", str(how.resize), "--crop", str(how.crop), "--resample", how.resample),
        *("--order", how.order, "--mean", _listed(how.mean), "--norm", _listed(how.norm)),
    ]


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(map(repr, values))


def _size(size: tuple[int, int], short: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def _normalised(pixels: NDArray[np.uint8], how: Preprocess) -> NDArray[np.float32]:
    """``value * norm + (-mean * norm)`` in float32 with one rounding, as a fused multiply-add.

    That is ncnn's substract_mean_normalize on a CPU with such an instruction; in float64 product
    and sum are exact, so the last conversion is the only rounding.
    """
    import numpy as np

    mean, norm = (np.asarray(figures, np.float32) for figures in (how.mean, how.norm))
    bias = (-mean * norm).astype(np.float64)
    exact: NDArray[np.float64] = pixels.astype(np.float64) * norm.astype(np.float64) + bias
    return exact.astype(np.float32)
