"""Resampling ``linear`` against its definition, one pixel at a time in Python's integers."""

import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.vision.resampling import resample_region, sample_axis

side = st.integers(1, 40)
corner = st.floats(-60, 60)
length = st.floats(0.01, 120)


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def along(start, length, count, target):
    """Index and weight of the second pixel."""
    at = np.float32(start + (target + 0.5) * (length / count) - 0.5)
    first = math.floor(at)
    return first, round(float(at - np.float32(first)) * 2048)


def level(picture, x, y, channel, border):
    height, width, _ = picture.shape
    if border is not None and not (0 <= x < width and 0 <= y < height):
        return border[channel]
    return int(picture[min(max(y, 0), height - 1), min(max(x, 0), width - 1), channel])


def slowly(picture, region, size, border=None):
    """The definition."""
    result = np.empty((*size, 3), np.uint8)
    for row, column, channel in np.ndindex(*result.shape):
        x, fx = along(region[0], region[2], size[1], column)
        y, fy = along(region[1], region[3], size[0], row)
        sums = [
            level(picture, x, y + dy, channel, border) * (2048 - fx)
            + level(picture, x + 1, y + dy, channel, border) * fx
            for dy in (0, 1)
        ]
        shares = [(2048 - fy) * (sums[0] >> 4) >> 16, fy * (sums[1] >> 4) >> 16]
        result[row, column, channel] = (sum(shares) + 2) >> 2
    return result


@settings(deadline=None)
@given(width=side, height=side, columns=st.integers(1, 12), rows=st.integers(1, 12))
def test_a_whole_picture_is_as_defined(width, height, columns, rows):
    picture, region = noise(width, height), (0.0, 0.0, float(width), float(height))
    size = rows, columns
    assert np.array_equal(resample_region(picture, region, size), slowly(picture, region, size))


def test_a_picture_is_resized_as_by_opencv():
    """What cv2.resize(…, (7, 5), interpolation=cv2.INTER_LINEAR) of OpenCV 4.11 makes."""
    levels = [[0, 255, 17, 90], [33, 8, 200, 251], [128, 64, 5, 77]]
    picture = np.repeat(np.asarray(levels, np.uint8)[..., None], 3, axis=2)
    assert resample_region(picture, (0, 0, 4, 3), (5, 7))[..., 1].tolist() == [
        [0, 91, 237, 136, 22, 64, 90],
        [13, 64, 146, 123, 95, 131, 154],
        [33, 24, 10, 104, 204, 233, 251],
        [90, 73, 45, 62, 87, 124, 146],
        [128, 105, 68, 34, 10, 51, 77],
    ]


@settings(deadline=None)
@given(x=corner, y=corner, width=length, height=length, border=st.sampled_from([None, (0, 9, 255)]))
def test_any_region_is_as_defined(x, y, width, height, border):
    picture, region = noise(17, 13), (x, y, width, height)
    result = resample_region(picture, region, (9, 7), border)
    assert np.array_equal(result, slowly(picture, region, (9, 7), border))


@settings(deadline=None)
@given(width=side, height=side)
def test_a_picture_at_its_own_size_stays(width, height):
    picture = noise(width, height)
    assert np.array_equal(resample_region(picture, (0, 0, width, height), (height, width)), picture)


@settings(deadline=None)
@given(count=st.integers(1, 50), size=st.integers(1, 50), level=st.integers(0, 255))
def test_a_plain_picture_stays_plain(count, size, level):
    """The four weights always add up to one."""
    picture = np.full((size, size, 3), level, np.uint8)
    assert (resample_region(picture, (0, 0, size, size), (count, count)) == level).all()


@settings(deadline=None)
@given(width=st.integers(2, 60), columns=st.integers(1, 60))
def test_it_is_bilinear_interpolation(width, columns):
    """Nearer than a level to the exact value in fractions, half a one being the rounding."""
    picture = noise(width, 1)
    result = resample_region(picture, (0, 0, width, 1), (1, columns))[0, :, 0]
    for column in range(columns):
        at = (Fraction(2 * column + 1, 2) * width / columns) - Fraction(1, 2)
        at = min(max(at, Fraction(0)), Fraction(width - 1))
        first = min(math.floor(at), width - 2)
        left, right = (int(picture[0, first + step, 0]) for step in (0, 1))
        assert abs(left + (right - left) * (at - first) - int(result[column])) < Fraction(2, 3)


def test_far_outside_there_is_only_border():
    result = resample_region(noise(5, 5), (1e6, -1e6, 3, 3), (4, 4), border=(1, 2, 3))
    assert (result == (1, 2, 3)).all()


def test_a_weight_may_be_all_the_second_pixels():
    """A fraction just below 1 rounds up to 2048."""
    assert sample_axis(-1e-6, 4.0, 4).second_weight[1] == 2048


@pytest.mark.parametrize("sides", [(10_000, 10_000), (100_000, 1_000)])
def test_a_picture_of_100_megapixels_costs_no_more_memory_than_its_window(sides):
    picture = np.broadcast_to(np.uint8(7), (*sides, 3))
    tracemalloc.start()
    resample_region(picture, (0, 0, sides[1], sides[0]), (640, 640))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 640 * 640
