"""Masks as COCO's compressed run-length encoding, which nnrun writes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import msgspec

from piyard.look.lines import Runs

if TYPE_CHECKING:
    from piyard.model.steps import Mask


def pack(mask: Mask) -> Runs:
    """The encoding of a mask (rows, columns)."""
    import numpy as np
    from pycocotools import mask as coco

    runs = coco.encode(np.asfortranarray(mask, np.uint8))
    rows, columns = runs["size"]
    return Runs(size=(rows, columns), counts=runs["counts"].decode("ascii"))


def unpack(runs: Runs) -> Mask:
    """The mask (rows, columns)."""
    import numpy as np
    from pycocotools import mask as coco

    with warnings.catch_warnings():
        # pycocotools 2.0.11 hands numpy 2 an array in the way of numpy 1.
        warnings.filterwarnings("ignore", message="__array__", category=DeprecationWarning)
        return np.asarray(coco.decode(msgspec.to_builtins(runs)), np.bool_)
