"""Files → pictures → arrays of levels."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.errors import WrongInput
from piyard.pictures import text_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from piyard.model.steps import Pixels


MALFORMED = (ArithmeticError, EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError)
"""What Pillow's readers raise for files whose content does not match their first bytes."""


def read(path: Path) -> Image:
    """The picture in RGB, upright by its EXIF orientation; the first frame of an animation.

    Of 16 bits the upper 8 are taken, as nnrun does. Raises ``WrongInput``.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(_of_8_bits(picture)).convert("RGB")
    except (*MALFORMED, struct.error, Image.DecompressionBombError) as error:
        raise WrongInput(
            f"{text_of(path)} cannot be read as a picture: {error}",
            remedy="leave it out, or repair it",
        ) from None


def _of_8_bits(picture: Image) -> Image:
    """Pillow cuts levels above 255 off, where it should divide them."""
    from PIL import Image

    if picture.mode == "F" or (picture.mode == "I" and picture.format != "PNG"):
        raise ValueError("its levels have 32 bits; scale them to 8 first")
    if not picture.mode.startswith("I"):
        return picture
    import numpy as np

    upper = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    upper.info.update(picture.info)
    return upper


def rgb(picture: Image) -> Image:
    """The picture in RGB; itself when it is so already, as a copy may be 300 MB."""
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def pixels(picture: Image) -> Pixels:
    """Its levels, shape (rows, columns, 3), in the order R, G, B."""
    import numpy as np

    return np.asarray(rgb(picture))
