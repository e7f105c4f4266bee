"""How much known classes count in a tuning."""

from pathlib import Path

import numpy as np
import pytest

from piyard.compress.training.batches import TrainingPictures
from piyard.compress.tuning import LABELS_SHARE, share_of_labels


@pytest.mark.parametrize(
    ("labels", "share"),
    [
        (None, 0.0),
        ([], 0.0),
        ([0, 1] * 10, LABELS_SHARE),
        ([0, 1] * 9 + [0], 0.0),
        (list(range(500)), 0.0),
        ([number % 1000 for number in range(50_000)], LABELS_SHARE),
    ],
)
def test_few_pictures_of_a_class_teach_by_their_answers_alone(
    labels: list[int] | None, share: float
) -> None:
    paths = [Path(str(number)) for number in range(len(labels or []))]
    pictures = TrainingPictures(paths, labels, lambda _path: np.zeros((1, 1, 1), np.float32))
    assert share_of_labels(pictures) == share
