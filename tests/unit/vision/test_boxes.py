"""How boxes overlap, and which stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.vision.overlap import box_area, box_iou, suppress_overlaps

coordinate = st.integers(0, 12)
box = st.tuples(coordinate, coordinate, coordinate, coordinate).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)
many = st.lists(box, max_size=8)


def array(listed):
    return np.array(listed, np.float64).reshape(-1, 4)


def cells(box):
    """The unit squares a box of whole numbers covers."""
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


@settings(deadline=None)
@given(ours=many, theirs=many)
def test_iou_counts_unit_squares(ours, theirs):
    result = box_iou(array(ours), array(theirs))
    assert result.shape == (len(ours), len(theirs))
    for i, each in enumerate(ours):
        for j, other in enumerate(theirs):
            union = cells(each) | cells(other)
            expected = len(cells(each) & cells(other)) / len(union) if union else 0
            assert result[i, j] == pytest.approx(expected)


def test_a_box_turned_inside_out_has_no_area():
    assert box_area(array([[3, 0, 1, 5], [0, 0, 2, 3]])).tolist() == [0, 6]
    assert box_iou(array([[3, 0, 1, 5]]), array([[0, 0, 9, 9]])).tolist() == [[0]]


@settings(deadline=None)
@given(listed=many, threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]), data=st.data())
def test_what_stays(listed, threshold, data):
    """Those that stay are all that no better one of their class that stays overlaps more."""
    classes = np.array(
        data.draw(st.lists(st.integers(0, 2), min_size=len(listed), max_size=len(listed))), np.int64
    )
    kept = suppress_overlaps(array(listed), classes, threshold).tolist()
    overlap = box_iou(array(listed), array(listed))

    def suppressed(box, by):
        return classes[box] == classes[by] and overlap[box, by] > threshold

    assert kept == sorted(kept)
    for index in range(len(listed)):
        better = [other for other in kept if other < index]
        assert (index in kept) == (not any(suppressed(index, other) for other in better))


def test_the_threshold_itself_does_not_suppress():
    pair = array([[0, 0, 2, 1], [1, 0, 3, 1]])  # IoU 1/3
    classes = np.zeros(2, np.int64)
    third = float(box_iou(pair[:1], pair[1:])[0, 0])
    assert suppress_overlaps(pair, classes, third).tolist() == [0, 1]
    assert suppress_overlaps(pair, classes, np.nextafter(third, 0)).tolist() == [0]
