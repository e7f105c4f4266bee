"""Rotated boxes: corners, overlap as polygons, likeness of Gaussians, and who suppresses whom."""

from math import cos, exp, log, pi, sin, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.vision.rotated import (
    distance_limit,
    enclosing_boxes,
    gaussian_iou,
    polygon_area,
    polygon_iou,
    regularise_angles,
    rotated_corners,
    rotated_iou,
    rotated_to_picture,
    suppress_rotated,
)
from piyard.vision.transforms import AxisTransform, ImageTransform

SQUARE = (10.0, 10.0, 4.0, 4.0, 0.0)


def boxes(*each):
    return np.array(each, np.float64)


def random_boxes(seed, count=40, spread=60.0):
    random = np.random.default_rng(seed)
    return np.concatenate(
        [
            random.uniform(0, spread, (count, 2)),
            random.uniform(1, 40, (count, 2)),
            random.uniform(-4, 4, (count, 1)),
        ],
        axis=1,
    )


def test_corners_go_around_from_the_end_of_the_width():
    (corners,) = rotated_corners(boxes((10, 20, 8, 2, 0)))
    assert corners.tolist() == [[14, 21], [14, 19], [6, 19], [6, 21]]
    (turned,) = rotated_corners(boxes((10, 20, 8, 2, pi / 2)))
    np.testing.assert_allclose(turned, [[9, 24], [11, 24], [11, 16], [9, 16]], atol=1e-12)


def test_the_upright_box_around_a_diamond_is_wider_by_the_root_of_two():
    (around,) = enclosing_boxes(boxes((10, 10, 4, 4, pi / 4)))
    half = 2 * sqrt(2)
    np.testing.assert_allclose(around, [10 - half, 10 - half, 10 + half, 10 + half])


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        (SQUARE, 1),
        ((10, 10, 4, 4, pi / 2), 1),
        ((12, 10, 4, 4, 0), 8 / 24),
        ((14, 10, 4, 4, 0), 0),
        ((50, 10, 4, 4, 1), 0),
        ((10, 10, 2, 2, 0.3), 4 / 16),
        # The octagon in a square and its diamond: 8 (sqrt(2) - 1) of 16 each.
        ((10, 10, 4, 4, pi / 4), (32 * (sqrt(2) - 1)) / (32 - 32 * (sqrt(2) - 1))),
        ((10, 10, 8, 1, pi / 4), 4 * sqrt(2) - 0.5),
    ],
)
def test_overlap_of_a_square(other, overlap):
    if other[2] == 8:  # the strip along the diagonal: its area within the square
        overlap = overlap / (16 + 8 - overlap)
    assert rotated_iou(boxes(SQUARE), boxes(other))[0, 0] == pytest.approx(overlap, abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_overlap_is_the_share_of_a_fine_grid(seed):
    ours, theirs = random_boxes(seed, 4), random_boxes(seed + 1, 4)
    at = np.stack(np.meshgrid(np.arange(-30, 90, 0.5), np.arange(-30, 90, 0.5)), axis=-1) + 0.25

    def inside(box):
        x, y = at[..., 0] - box[0], at[..., 1] - box[1]
        along, across = x * cos(box[4]) + y * sin(box[4]), y * cos(box[4]) - x * sin(box[4])
        return (abs(along) < box[2] / 2) & (abs(across) < box[3] / 2)

    counted = [
        [(inside(a) & inside(b)).sum() / max((inside(a) | inside(b)).sum(), 1) for b in theirs]
        for a in ours
    ]
    np.testing.assert_allclose(rotated_iou(ours, theirs), counted, atol=0.03)


def test_a_polygon_may_turn_either_way_and_have_a_dent():
    dented = np.array([[[0, 0], [8, 0], [2, 2], [0, 8]]], np.float64)
    square = np.array([[[0, 0], [4, 0], [4, 4], [0, 4]]], np.float64)
    assert polygon_area(dented)[0] == pytest.approx(16)
    forward = polygon_iou(dented, square)[0, 0]
    assert polygon_iou(dented[:, ::-1], square[:, ::-1])[0, 0] == pytest.approx(forward)
    assert forward == pytest.approx(_counted(dented[0], square[0]), abs=0.01)


def _counted(first, second):
    from PIL import Image, ImageDraw

    masks = []
    for polygon in (first, second):
        picture = Image.new("1", (1000, 1000))
        ImageDraw.Draw(picture).polygon([tuple(point * 100) for point in polygon], fill=1)
        masks.append(np.asarray(picture))
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


def test_nothing_overlaps_nothing():
    assert rotated_iou(np.zeros((0, 5)), boxes(SQUARE)).shape == (0, 1)
    assert rotated_iou(boxes((10, 10, 0, 0, 0)), boxes(SQUARE))[0, 0] == 0


def test_likeness_of_gaussians_by_hand():
    """Both have the covariance 4 x 4 / 12; their distance is an eighth of d^2 over it."""
    distance = 3**2 / 8 / (16 / 12)
    expected = 1 - sqrt(1 - exp(-distance))
    assert gaussian_iou(boxes(SQUARE), boxes((13, 10, 4, 4, 0.7)))[0, 0] == pytest.approx(
        expected, abs=1e-6
    )
    # A square and one of twice its side: covariances S and 4 S, so ln(2.5^2 / 4) / 2.
    assert gaussian_iou(boxes(SQUARE), boxes((10, 10, 8, 8, 0)))[0, 0] == pytest.approx(
        1 - sqrt(1 - exp(-0.5 * log(2.5**2 / 4))), abs=1e-6
    )


def test_of_alike_boxes_the_best_stays_and_one_that_goes_still_suppresses():
    row = boxes(*((10 + 2 * step, 10, 8, 8, 0) for step in range(4)))
    near = gaussian_iou(row[:1], row[1:])[0]
    threshold = (near[0] + near[1]) / 2  # neighbours are more alike, the next ones are not
    classes = np.zeros(4, np.int64)
    assert suppress_rotated(row, classes, threshold).tolist() == [0]
    assert suppress_rotated(row, np.array([0, 1, 0, 1]), threshold).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.45, 0.7, 0.95, 1.0])
def test_boxes_too_far_apart_to_be_compared_are_not_alike(threshold):
    """As without that shortcut."""
    every = random_boxes(3, 300, 200.0)
    alike = np.triu(gaussian_iou(every, every), 1) > threshold
    expected = np.flatnonzero(~alike.any(axis=0))
    result = suppress_rotated(every, np.zeros(300, np.int64), threshold)
    assert result.tolist() == expected.tolist()
    assert distance_limit(threshold) >= 0


@pytest.mark.parametrize("angle", [-3, -pi / 4, 0.2, pi / 2, 2, 3, 7.5])
def test_regularised_angles_are_of_the_same_rectangle(angle):
    box = boxes((10, 20, 8, 2, angle))
    regular = regularise_angles(box)
    assert 0 <= regular[0, 4] < pi / 2
    assert rotated_iou(box, regular)[0, 0] == pytest.approx(1)


def test_a_box_comes_back_to_the_picture_as_it_was_scaled():
    axes = {"length": 200.0, "scaled": 100.0}
    transform = ImageTransform(
        size=(200, 200), x=AxisTransform(**axes), y=AxisTransform(**axes, margin=10.0)
    )
    (box,) = rotated_to_picture(boxes((20, 30, 8, 2, 0.5)), transform)
    assert box.tolist() == pytest.approx([40, 40, 16, 4, 0.5])


def test_a_stretched_box_keeps_its_sides_lengths():
    transform = ImageTransform(
        size=(300, 100),
        x=AxisTransform(length=300, scaled=100),
        y=AxisTransform(length=100, scaled=100),
    )
    (box,) = rotated_to_picture(boxes((20, 30, 8, 2, pi / 6)), transform)
    along = (3 * 8 * cos(pi / 6), 8 * sin(pi / 6))
    across = (-3 * 2 * sin(pi / 6), 2 * cos(pi / 6))
    assert box[2:4].tolist() == pytest.approx([np.hypot(*along), np.hypot(*across)])
    assert box[4] == pytest.approx(np.arctan2(along[1], along[0]))
