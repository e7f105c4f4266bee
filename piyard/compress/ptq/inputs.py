"""Pictures as a model reads them, for its calibration and what comes after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.compress.pictures import CompressionData
from piyard.data.dataset import spread_pictures
from piyard.models.definition import Model
from piyard.vision.pictures import read_picture
from piyard.vision.preprocess import prepare_picture

if TYPE_CHECKING:
    from piyard.vision.schema import Floats

CALIBRATION_PICTURES = 100
"""Pictures that the scales are found by; more change little."""


class PictureInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures as a model reads them, from the first one each time it is called."""

    model: Model
    pictures: Sequence[Path]

    def __call__(self) -> Iterator[tuple[Floats, ...]]:
        """An input a picture."""
        for path in self.pictures:
            pixels = read_picture(path)
            yield (prepare_picture(pixels, self.model.preprocess, self.model.input[1:]),)

    def first(self, count: int) -> list[tuple[Floats, ...]]:
        """So many, evenly spread."""
        few = msgspec.structs.replace(self, pictures=spread_pictures(self.pictures, count))
        return list(few())


def calibrating_pictures(data: CompressionData) -> list[Path]:
    """Those of the data that the scales are found by."""
    return spread_pictures(data.pictures, CALIBRATION_PICTURES)


def other_pictures(data: CompressionData, count: int) -> list[Path]:
    """So many that no scale was found by; of those that were, where there are too few."""
    seen = set(calibrating_pictures(data))
    others = [path for path in data.pictures if path not in seen]
    return spread_pictures(others if len(others) >= count else data.pictures, count)
