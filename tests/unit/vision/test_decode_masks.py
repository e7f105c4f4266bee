"""Masks against the definition in vision/tasks/segment.py, one pixel at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.vision.overlap import mask_iou
from piyard.vision.predictions import decode_mask, encode_mask
from piyard.vision.schema import Letterbox, Stretch
from piyard.vision.tasks.segment import covered_pixels, draw_masks
from piyard.vision.transforms import picture_transform

SIZE = (32, 48)
LETTERBOX = Letterbox(order="rgb", mean=(0.0, 0.0, 0.0), norm=(1.0, 1.0, 1.0))
STRETCH = Stretch(order="rgb", mean=(0.0, 0.0, 0.0), norm=(1.0, 1.0, 1.0))

seeds = st.integers(0, 10**6)
side = st.integers(1, 30)
edge = st.floats(0, 30)


def letterboxed(picture):
    return picture_transform(picture, LETTERBOX, SIZE)


def random(seed, count=3, shape=(8, 12)):
    rng = np.random.default_rng(seed)
    prototypes = rng.normal(size=(5, *shape)).astype(np.float32)
    return rng.normal(size=(count, 5)).astype(np.float32), prototypes


def edges(axis, length):
    return max(0, axis.margin), min(length, axis.margin + axis.scaled)


def enlargement(at, shape):
    axes = list(zip((at.y, at.x), SIZE, shape, strict=True))
    for factor in (1, 2, 4):
        cells = [e * n * factor % length for a, length, n in axes for e in edges(a, length)]
        if not any(cells):
            return factor
    return 1


def neighbours(at, least, last):
    at = min(max(at, least), last)
    first = math.floor(at)
    return first, min(first + 1, last), at - first


def bilinear(values, row, column):
    (j0, j1, v), (i0, i1, u) = row, column
    upper = values[j0, i0] * (1 - u) + values[j0, i1] * u
    lower = values[j1, i0] * (1 - u) + values[j1, i1] * u
    return upper * (1 - v) + lower * v


def enlarge(logits, factor):
    grid = np.empty([n * factor for n in logits.shape])
    for cell in np.ndindex(*grid.shape):
        places = [(g + 0.5) / factor - 0.5 for g in cell]
        grid[cell] = bilinear(
            logits, *(neighbours(p, 0, n - 1) for p, n in zip(places, logits.shape, strict=True))
        )
    return grid


def sample(axis, pixel, cells, length):
    inside = (pixel + 0.5) * axis.scaled / axis.length + axis.margin
    low, high = (edge * cells / length for edge in edges(axis, length))
    return neighbours(inside * cells / length - 0.5, math.floor(low), math.ceil(high) - 1)


def slowly(logits, box, at):
    """The logit of each pixel; None outside the box."""
    grid = enlarge(logits, enlargement(at, logits.shape))
    rows, columns = grid.shape
    values = np.full(at.size[::-1], np.nan)
    for y, x in np.ndindex(*values.shape):
        if box[0] <= x < box[2] and box[1] <= y < box[3]:
            row, column = sample(at.y, y, rows, SIZE[0]), sample(at.x, x, columns, SIZE[1])
            values[y, x] = bilinear(grid, row, column)
    return values


@settings(deadline=None)
@given(seed=seeds, width=side, height=side, corners=st.tuples(edge, edge, edge, edge))
def test_each_pixel_is_as_defined(seed, width, height, corners):
    at = letterboxed((width, height))
    x0, x1 = sorted(corners[:2])
    y0, y1 = sorted(corners[2:])
    box = np.clip([x0, y0, x1, y1], 0, [width, height] * 2)
    coefficients, prototypes = random(seed, count=1)
    (mask,) = draw_masks(coefficients, prototypes, box[None], SIZE, at)
    logits = slowly(np.tensordot(coefficients[0].astype(float), prototypes, 1), box, at)
    sure = ~(np.abs(logits) < 1e-5)  # float32 may round a logit this near to the other side
    assert np.array_equal(mask[sure], (logits > 0)[sure])


@pytest.mark.parametrize(
    ("picture", "factor"),
    [((48, 32), 1), ((40, 32), 1), ((44, 32), 2), ((46, 32), 4), ((43, 32), 4)],
)
def test_the_padding_is_cut_off_between_cells_of_an_enlarged_grid(picture, factor):
    """As torch resizes: all of it ``factor`` times, what is left of it to the picture's size."""
    torch = pytest.importorskip("torch")
    resize = torch.nn.functional.interpolate
    at = letterboxed(picture)
    coefficients, prototypes = random(7, count=1)
    logits = torch.from_numpy(np.tensordot(coefficients, prototypes, 1)[None])
    grid = resize(logits, scale_factor=factor, mode="bilinear")
    left = int(at.x.margin) * factor // 4
    cut = grid[..., left : left + picture[0] * factor // 4 or None]
    expected = resize(cut, picture[::-1], mode="bilinear")[0, 0].numpy() > 0
    whole = np.array([[0.0, 0, *picture]])
    (mask,) = draw_masks(coefficients, prototypes, whole, SIZE, at)
    assert expected.any()
    assert np.array_equal(mask, expected)


def test_only_pixels_whose_number_is_in_the_box():
    prototypes = np.ones((1, 8, 12), np.float32)
    boxes = np.array([[1.5, 0.4, 3.5, 1.6], [1.51, 0, 3.51, 1], [2.2, 2.2, 2.3, 2.3]])
    masks, other, none = draw_masks(
        np.ones((3, 1), np.float32), prototypes, boxes, SIZE, letterboxed((6, 4))
    )
    assert np.argwhere(masks).tolist() == [[1, 2], [1, 3]]
    assert np.argwhere(other).tolist() == [[0, 2], [0, 3]]
    assert not none.any()


def test_a_logit_of_zero_is_outside():
    masks = draw_masks(
        np.zeros((1, 1), np.float32),
        np.ones((1, 8, 12), np.float32),
        np.array([[0.0, 0, 6, 4]]),
        SIZE,
        letterboxed((6, 4)),
    )
    assert not masks[0].any()


@pytest.mark.parametrize("picture", [(480, 320), (100, 300), (960, 200)])
def test_a_disc_is_where_it_was_in_the_picture(picture):
    """A disc drawn in the network's input comes back as an ellipse of its size."""
    at = picture_transform(picture, STRETCH, SIZE)
    y, x = (np.mgrid[0:8, 0:12] + 0.5) * 4
    prototypes = (10 - np.hypot(x - 24, y - 16))[None].astype(np.float32)
    whole = np.array([[0.0, 0, *picture]])
    (mask,) = draw_masks(np.ones((1, 1), np.float32), prototypes, whole, SIZE, at)
    rows, columns = np.nonzero(mask)
    assert (columns.mean() + 0.5) == pytest.approx(picture[0] / 2, rel=0.01)
    assert (rows.mean() + 0.5) == pytest.approx(picture[1] / 2, rel=0.01)
    share = math.pi * 100 / (SIZE[0] * SIZE[1])
    assert mask.mean() == pytest.approx(share, rel=0.05)


def test_no_objects_have_no_masks():
    none = np.zeros((0, 5), np.float32), np.zeros((5, 8, 12), np.float32), np.zeros((0, 4))
    assert draw_masks(*none, SIZE, letterboxed((6, 4))) == []


@settings(deadline=None)
@given(low=st.floats(-5, 40), width=st.floats(0, 40), length=side)
def test_pixels_of_a_box(low, width, length):
    inside = [x for x in range(length) if low <= x < low + width]
    assert list(covered_pixels(low, low + width, length)) == inside


def test_iou_of_masks():
    single, other = np.zeros((2, 4, 4), np.bool_)
    assert mask_iou(single, other) == 1
    single[:2], other[1:3] = True, True
    assert mask_iou(single, other) == pytest.approx(1 / 3)
    assert mask_iou(single, np.zeros_like(single)) == 0


@settings(deadline=None)
@given(seed=seeds, width=side, height=side, share=st.floats(0, 1))
def test_a_mask_survives_its_encoding(seed, width, height, share):
    mask = np.random.default_rng(seed).random((height, width)) < share
    packed = encode_mask(mask)
    assert packed.size == (height, width)
    assert np.array_equal(decode_mask(packed), mask)
