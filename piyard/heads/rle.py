"""Masks as COCO's compressed run-length encoding, which nnrun writes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


class Rle(TypedDict):
    """Runs of a mask, column by column."""

    size: list[int]
    """Rows, columns."""
    counts: str


def pack(mask: Mask) -> Rle:
    """The encoding of a mask (rows, columns)."""
    import numpy as np
    from pycocotools import mask as coco

    made = coco.encode(np.asfortranarray(mask, np.uint8))
    return Rle(size=list(made["size"]), counts=made["counts"].decode("ascii"))


def unpack(rle: Rle) -> Mask:
    """The mask (rows, columns)."""
    import numpy as np
    from pycocotools import mask as coco

    with warnings.catch_warnings():
        # pycocotools 2.0.11 hands numpy 2 an array in the way of numpy 1.
        warnings.filterwarnings("ignore", message="__array__", category=DeprecationWarning)
        return np.asarray(coco.decode(dict(rle)), np.bool_)
