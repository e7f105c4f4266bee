"""Semantic segmentation: of which class each pixel is, as runner/src/vision/semantic.cpp has it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from piyard.core.tables import Cell
from piyard.vision.head_schema import Head, Semantic
from piyard.vision.overlap import Agreement
from piyard.vision.predictions import DecodedObject, Frame
from piyard.vision.schema import TrackerConfig
from piyard.vision.tasks.base import Row, TaskSpec, TruthKind
from piyard.vision.transforms import AxisTransform, ImageTransform

if TYPE_CHECKING:
    from piyard.vision.schema import Floats, Indices, Mask


NO_CLASS = -1
"""Of pixels that the input does not show."""
SHOWN_CLASSES = 3


class SemanticTask(TaskSpec, frozen=True, kw_only=True):
    """A region a class; an object's score is its share of the picture's pixels."""

    def decode(
        self,
        head: Head | None,
        outputs: Sequence[Floats],
        size: tuple[int, int],
        transform: ImageTransform,
    ) -> list[DecodedObject]:
        """A region for each class there is, the largest first, of equal ones the lower class."""
        if not isinstance(head, Semantic):
            return []
        labels = label_map(head, outputs[head.output], size, transform)
        regions = [_make_region(labels == class_, class_) for class_ in _classes_in(labels)]
        return sorted(regions, key=lambda region: -region.score)

    def compare(
        self, expected: Sequence[DecodedObject], actual: Sequence[DecodedObject]
    ) -> Agreement:
        """How many classes both see, and as mask IoU the share of pixels of the same class."""
        ours, theirs = ({each.class_: each for each in side} for side in (expected, actual))
        both = ours.keys() & theirs.keys()
        alone = [each.score for each in (*expected, *actual) if each.class_ not in both]
        changes = [abs(ours[class_].score - theirs[class_].score) for class_ in both]
        return Agreement(
            expected=len(ours),
            actual=len(theirs),
            matched=len(both),
            unmatched_score=max(alone, default=0.0),
            score=max(changes, default=0.0),
            mask_iou=_alike_share(expected, actual),
        )

    def rows(self, frames: Sequence[Frame]) -> list[Row]:
        """A row a class of a picture, the largest first."""
        return [
            [frame.name, each.name, _share_cell(each.score)]
            for frame in frames
            for each in frame.objects
        ]

    def summarise(self, frames: Sequence[Frame]) -> list[str]:
        """The mean share of the largest classes."""
        shares: dict[str, list[float]] = {}
        for each in (each for frame in frames for each in frame.objects):
            shares.setdefault(each.name, []).append(each.score)
        means = {name: fmean(values) * len(values) / len(frames) for name, values in shares.items()}
        largest = sorted(means, key=lambda name: -means[name])[:SHOWN_CLASSES]
        named = ", ".join(f"{name} {100 * means[name]:.1f} %" for name in largest)
        return [named] if named else []

    def data_kind(self, _tracker: TrackerConfig | None) -> TruthKind | None:
        """Pictures with the class of each pixel."""
        return "regions"


def label_map(
    head: Semantic, scores: Floats, size: tuple[int, int], transform: ImageTransform
) -> Indices:
    """The picture's (rows, columns) of classes, ``NO_CLASS`` where the input does not show it."""
    import numpy as np

    width, height = transform.size
    maps = scores if scores.ndim == 3 else scores[None]
    classes: Indices = (
        maps.argmax(axis=0) if len(maps) > 1 else (maps[0] > np.float32(head.threshold)).astype(int)
    )
    rows = _places(transform.y, height, size[0], classes.shape[0])
    columns = _places(transform.x, width, size[1], classes.shape[1])
    labels: Indices = classes[np.ix_(rows.clip(0), columns.clip(0))]
    labels[rows == NO_CLASS] = NO_CLASS
    labels[:, columns == NO_CLASS] = NO_CLASS
    return labels


def _places(axis: AxisTransform, pixels: int, length: int, places: int) -> Indices:
    """Where each pixel's centre lies among so many places over an input of that length."""
    import numpy as np

    inside = axis.to_input(np.arange(pixels, dtype=np.float64) + 0.5)
    at = np.minimum(np.floor(inside * places / length), places - 1).astype(np.int64)
    at[(inside < 0) | (inside >= length)] = NO_CLASS
    return at


def _classes_in(labels: Indices) -> list[int]:
    import numpy as np

    return [int(class_) for class_ in np.unique(labels) if class_ != NO_CLASS]


def _make_region(mask: Mask, class_: int) -> DecodedObject:
    import numpy as np

    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return DecodedObject(
        class_=class_,
        score=float(np.float32(mask.sum() / mask.size)),
        box=(
            float(columns[0]),
            float(rows[0]),
            float(columns[-1] + 1),
            float(rows[-1] + 1),
        ),
        mask=mask,
    )


def _alike_share(
    expected: Sequence[DecodedObject], actual: Sequence[DecodedObject]
) -> float | None:
    """None where the original gives no pixel a class."""
    import numpy as np

    theirs = {each.class_: each.mask for each in actual}
    seen = sum(int(each.mask.sum()) for each in expected if each.mask is not None)
    alike = [
        int(np.count_nonzero(each.mask & other))
        for each in expected
        if each.mask is not None and (other := theirs.get(each.class_)) is not None
    ]
    return sum(alike) / seen if seen else None


def _share_cell(share: float) -> Cell:
    return Cell(f"{100 * share:.1f} %", share)


SEMANTIC = SemanticTask(
    name="semantic",
    needs=("labels", "head"),
    is_boxed=False,
    columns=("Picture", "Class", "Share"),
)
