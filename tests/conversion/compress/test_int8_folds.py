"""The benchmark of int8 training on few pictures: what judges is not learnt from, ncnn judges."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from benchmarks.compression.mobilenet_qat import WAYS, Fold, difference, divergences, divide, rows
from tests.support.training import SETTINGS, pictures, trained


def test_each_picture_judges_once_and_none_that_is_learnt_from() -> None:
    folds = [divide(50, 3, fold, seed=1) for fold in range(3)]
    assert sorted(number for fold in folds for number in fold.judged) == [*range(50)]
    for fold in folds:
        assert sorted(fold.learnt + fold.choosing + fold.judged) == [*range(50)]
        assert len(fold.choosing) == round(0.2 * (50 - len(fold.judged)))


def test_the_error_of_a_difference_is_that_of_pairs() -> None:
    first, other = np.array([True, True, False, True]), np.array([True, False, False, False])
    # Differences of 0, 1, 0, 1: mean 0.5, deviation sqrt(1/3), of four.
    assert difference(first, other) == "+50 ± 29"


def test_a_divergence_is_of_each_picture() -> None:
    exact = np.log(np.array([[0.5, 0.5], [0.9, 0.1]], np.float32))
    scores = np.log(np.array([[0.25, 0.75], [0.9, 0.1]], np.float32))
    expected = [0.5 * np.log(2) + 0.5 * np.log(2 / 3), 0]
    assert divergences(scores, exact) == pytest.approx(expected, abs=1e-6)


def test_both_ways_to_int8_are_computed_by_ncnn(tmp_path: Path) -> None:
    net, _ = trained(tmp_path / "floats alone")
    parts = divide(80, 2, 0, seed=1)
    (tmp_path / "fold").mkdir()
    fold = Fold(net, pictures(80), parts, tmp_path / "fold")
    settings = msgspec.structs.replace(SETTINGS, batch=8, steps=4, flip=False, shift=0)
    fold.write_int8(settings, [1e-4, 1e-3], short=2)
    answers = {way: fold.answer(way) for way in WAYS}
    with torch.no_grad():
        expected = net(pictures(80).take(parts.judged).inputs).numpy()
    assert np.allclose(answers["floats"].scores, expected, atol=1e-4)
    for way in ("ptq", "qat"):
        apart = np.abs(answers[way].scores - expected).max()
        assert 1e-4 < apart < 0.1 * np.abs(expected).max()
    assert not np.array_equal(answers["ptq"].scores, answers["qat"].scores)
    assert [row[0] for row in rows(answers)] == [*WAYS]
