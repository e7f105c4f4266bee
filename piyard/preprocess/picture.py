"""Files → pictures → arrays of levels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from piyard.errors import WrongInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels = NDArray[np.uint8]


def read(path: Path) -> Image:
    """The picture in RGB, turned upright as its EXIF orientation says. Raises ``WrongInput``."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise WrongInput(f"{path} is no picture that can be read: {error}") from None


def rgb(picture: Image) -> Image:
    """The picture in RGB; itself when it is so already, as a copy may be 300 MB."""
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def pixels(picture: Image) -> Pixels:
    """Its levels, shape (rows, columns, 3), in the order R, G, B."""
    import numpy as np

    return np.asarray(rgb(picture))
