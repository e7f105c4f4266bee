"""What two ways to compute a network say is in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.heads import agree
from piyard.heads.agree import Agreement
from piyard.heads.dense import decode
from piyard.heads.found import Found
from piyard.heads.topdown import decode_pose
from piyard.model import Model
from piyard.model.head import Heatmap, Simcc
from piyard.preprocess import feed
from piyard.preprocess.picture import read as read_picture
from piyard.preprocess.placing import Placing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Outputs = Sequence[NDArray[np.float32]]


def agreement(
    model: Model, pictures: Sequence[Path], expected: Sequence[Outputs], got: Sequence[Outputs]
) -> Agreement | None:
    """The worst of the pictures; None for a network without a head, or without pictures."""
    if model.head is None or not pictures:
        return None
    size = model.input[1:]
    agreements = []
    for path, reference, output in zip(pictures, expected, got, strict=True):
        picture = read_picture(path)
        placing = feed.placing(picture.size, model.preprocess, size)
        agreements.append(
            agree.compare(
                _found(model, reference, placing, picture.size),
                _found(model, output, placing, picture.size),
            )
        )
    return agree.worst(agreements)


def _found(
    model: Model, outputs: Outputs, placing: Placing, picture: tuple[int, int]
) -> list[Found]:
    size = model.input[1:]
    match model.head:
        case None:
            return []
        case Simcc() | Heatmap():
            points = decode_pose(model.head, outputs, size, placing)
            whole = (0.0, 0.0, float(picture[0]), float(picture[1]))
            return [Found(class_=0, score=1.0, box=whole, keypoints=points)]
        case _:
            return decode(model.head, model.task, outputs, size, placing)
