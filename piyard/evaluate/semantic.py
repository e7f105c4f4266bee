"""How often the class of a pixel is right: mean IoU over the classes, and the share of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.core.errors import WrongInput
from piyard.data.dataset import DataSet
from piyard.data.label_maps import IGNORED
from piyard.vision.predictions import Frame, PredictedObject, decode_mask

if TYPE_CHECKING:
    from piyard.vision.schema import Indices

NO_CLASS = -1


class ClassCounts:
    """Pixels by true and predicted class, summed over pictures."""

    def __init__(self, classes: int) -> None:
        import numpy as np

        self.classes = classes
        self.confusion = np.zeros((classes, classes + 1), np.int64)
        """Rows are true classes; the last column is what was given no class."""

    def add(self, truth: Indices, predicted: Indices) -> None:
        """One picture's (rows, columns) of each."""
        import numpy as np

        judged = truth != IGNORED
        answers = np.where(predicted[judged] == NO_CLASS, self.classes, predicted[judged])
        pairs = truth[judged] * (self.classes + 1) + answers
        counts = np.bincount(pairs, minlength=self.confusion.size)
        self.confusion += counts.reshape(self.confusion.shape)

    def figures(self) -> dict[str, float | None]:
        """Percent; the mean is over classes that are there or were given (Everingham et al. 2010).

        None where nothing could be judged.
        """
        import numpy as np

        right = np.diag(self.confusion)
        union = self.confusion.sum(axis=1) + self.confusion[:, : self.classes].sum(axis=0) - right
        seen, total = union > 0, int(self.confusion.sum())
        if not total:
            return {"mIoU": None, "pixel accuracy": None}
        return {
            "mIoU": float(100 * (right[seen] / union[seen]).mean()),
            "pixel accuracy": float(100 * right.sum() / total),
        }


def segmentation_figures(
    truth: Mapping[Path, Indices],
    files: Mapping[Path, Path],
    frames: Mapping[Path, Frame],
    classes: int,
) -> dict[str, float | None]:
    """The figures of the answers. Raises ``WrongInput`` for a map that is not its picture's."""
    counts = ClassCounts(classes)
    for path, frame in frames.items():
        labels = truth[path]
        _require_fitting(labels, files[path], frame, classes)
        counts.add(labels, picture_classes(frame.objects, (frame.height, frame.width)))
    return counts.figures()


def picture_classes(regions: Sequence[PredictedObject], size: tuple[int, int]) -> Indices:
    """(rows, columns) of the classes that a picture's regions are of."""
    import numpy as np

    predicted: Indices = np.full(size, NO_CLASS, np.int64)
    for region in regions:
        if region.mask is not None:
            predicted[decode_mask(region.mask)] = region.class_
    return predicted


def _require_fitting(labels: Indices, file: Path, frame: Frame, classes: int) -> None:
    if labels.shape != (frame.height, frame.width):
        rows, columns = labels.shape[:2]
        raise WrongInput(
            f"{file} has {columns}x{rows} pixels, and its picture {frame.width}x{frame.height}",
            remedy="save the map as large as the picture is upright",
        )
    judged = labels[labels != IGNORED]
    if judged.size and not 0 <= int(judged.min()) <= int(judged.max()) < classes:
        raise WrongInput(
            f"{file} has class {int(judged.max())}, and the model the classes 0 to {classes - 1}",
            remedy=f"number the classes as the model's labels; {IGNORED} is of no class",
        )


def require_same_classes(data: DataSet, labels: Sequence[str]) -> None:
    """Raise ``WrongInput`` where the data set names its classes otherwise than the model."""
    for number, (theirs, ours) in enumerate(zip(data.classes, labels, strict=False)):
        if theirs.strip().lower() != ours.strip().lower():
            raise WrongInput(
                f"class {number} is '{theirs}' in {data.title}, and '{ours}' in the model's labels",
                remedy="number the classes as the model does",
            )
