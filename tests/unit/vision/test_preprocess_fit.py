"""Letterbox, stretch and box: what a network sees, and the way back from there."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from piyard.vision.flags import preprocess_flags
from piyard.vision.preprocess import prepare_object, prepare_picture
from piyard.vision.schema import Crop, Letterbox, Normalise, ObjectCrop, Preprocess, Stretch
from piyard.vision.transforms import object_transform, picture_transform

NORMAL = Normalise(order="rgb", mean=(0.0, 0.0, 0.0), norm=(1.0, 1.0, 1.0))
PLAIN: dict[str, Any] = msgspec.structs.asdict(NORMAL)
SIZE = (96, 128)

side = st.integers(1, 3000)
sides = st.tuples(side, side)
place = st.sampled_from(["centre", "topleft"])
inputs = st.sampled_from([(96, 128), (128, 96), (416, 416), (32, 640)])


def letterbox(**changed):
    return Letterbox(**(PLAIN | changed))


def white(width, height):
    return Image.new("RGB", (width, height), (255, 255, 255))


def blurred(size, point, spread):
    """Black, with white around a point, fading away so that no sampling can miss it."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]] + 0.5
    white = np.exp(-(((x - point[0]) / spread) ** 2) - ((y - point[1]) / spread) ** 2)
    return Image.fromarray(np.round(255 * white[..., None].repeat(3, -1)).astype(np.uint8))


def centre(seen):
    """Of the white in a network's input: x, y."""
    weights = seen.mean(axis=0)
    y, x = (np.indices(weights.shape) + 0.5) * weights
    return np.array([x.sum(), y.sum()]) / weights.sum()


KINDS: dict[str, Preprocess] = {
    "letterbox": letterbox(pad=(0, 0, 0)),
    "topleft": letterbox(pad=(0, 0, 0), place="topleft"),
    "bicubic": letterbox(pad=(0, 0, 0), resample="bicubic"),
    "stretch": Stretch(**PLAIN),
    "box": ObjectCrop(**PLAIN),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(640, 480), (333, 500), (900, 100)])
def test_what_is_seen_is_where_the_way_back_says(kind, size):
    point = np.array([size[0] / 3, size[1] / 2])
    seen = prepare_picture(blurred(size, point, min(size) / 9), KINDS[kind], SIZE)
    at = picture_transform(size, KINDS[kind], SIZE)
    assert np.abs(at.points_to_picture(centre(seen)) - point).max() < 0.3


@pytest.mark.parametrize("size", [(640, 480), (333, 500), (401, 399)])
def test_what_is_cropped_is_where_the_way_back_says(size):
    how = Crop(**PLAIN, resize=120, crop=100, resample="bilinear")
    point = np.array([size[0] * 0.45, size[1] * 0.55])
    seen = prepare_picture(blurred(size, point, min(size) / 12), how, (100, 100))
    at = picture_transform(size, how, (100, 100))
    assert np.abs(at.points_to_picture(centre(seen)) - point).max() < 0.1


def test_a_boxs_object_is_where_the_way_back_says():
    how, box = ObjectCrop(**PLAIN), (100.0, 50.0, 220.0, 350.0)
    point = np.array([150.3, 200.0])
    seen = prepare_object(blurred((400, 400), point, 15), box, how, (256, 192))
    at = object_transform((400, 400), box, how, (256, 192))
    assert np.abs(at.points_to_picture(centre(seen)) - point).max() < 0.1


@settings(deadline=None)
@given(size=sides, into=inputs, place=place, points=st.lists(st.floats(-9, 9), min_size=4))
def test_the_way_back_is_the_way_there_turned_round(size, into, place, points):
    at = picture_transform(size, letterbox(place=place), into)
    for axis in (at.x, at.y):
        there = np.array(points) * axis.length
        assert np.allclose(axis.to_picture(axis.to_input(there)), there, atol=1e-6 * axis.length)


@settings(deadline=None)
@given(size=sides, into=inputs, place=place)
def test_a_letterboxed_picture_touches_two_opposite_sides(size, into, place):
    at = picture_transform(size, letterbox(place=place), into)
    result = at.x.scaled, at.y.scaled
    assert any(item == side for item, side in zip(result, into[::-1], strict=True))
    assert all(1 <= item <= side for item, side in zip(result, into[::-1], strict=True))
    ratio = min(into[1] / size[0], into[0] / size[1])
    for axis, each, length in ((at.x, result[0], size[0]), (at.y, result[1], size[1])):
        assert abs(each - length * ratio) <= 0.5 or each == 1
        assert axis.margin == (0 if place == "topleft" else axis.margin)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((5, 8), (2, 4)), ((7, 8), (4, 4)), ((3000, 1), (4, 1)), ((11, 8), (4, 3))],
)
def test_sides_are_rounded_half_to_even(size, expected):
    """2.5 and 3.5 to 2 and 4; none below one pixel."""
    at = picture_transform(size, letterbox(), (4, 4))
    assert (at.x.scaled, at.y.scaled) == expected


@pytest.mark.parametrize(("height", "top"), [(4, 2), (5, 1), (2, 3)])
def test_an_odd_margin_has_its_spare_line_below(height, top):
    seen = prepare_picture(white(8, height), letterbox(pad=(1, 2, 3)), (8, 8))
    assert np.flatnonzero(seen[0, :, 0] == 255).tolist() == list(range(top, top + height))
    assert picture_transform((8, height), letterbox(), (8, 8)).y.margin == top


@pytest.mark.parametrize(("order", "first"), [("rgb", [1, 2, 3]), ("bgr", [3, 2, 1])])
def test_the_filling_is_given_in_rgb(order, first):
    seen = prepare_picture(white(8, 2), letterbox(pad=(1, 2, 3), order=order), (8, 8))
    assert seen[:, 0, 0].tolist() == first


@pytest.mark.parametrize("resample", ["bilinear", "bicubic", "lanczos", "nearest"])
def test_pillows_filters_are_pillows(resample):
    pixels = np.random.default_rng(1).integers(0, 256, (50, 80, 3), np.uint8)
    seen = prepare_picture(Image.fromarray(pixels), Stretch(**PLAIN, resample=resample), (30, 40))
    expected = Image.fromarray(pixels).resize((40, 30), Image.Resampling[resample.upper()])
    assert np.array_equal(seen, np.asarray(expected).transpose(2, 0, 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["L", "RGBA", "RGB"])
def test_a_networks_input_has_its_shape_whatever_the_picture(kind, mode):
    seen = prepare_picture(white(31, 77).convert(mode), KINDS[kind], SIZE)
    assert seen.shape == (3, *SIZE)
    assert seen.dtype == np.float32
    assert seen.flags.c_contiguous


@pytest.mark.parametrize(
    ("box", "region"),
    [
        ((10, 20, 40, 80), (-3.125, 12.5, 56.25, 75)),  # high: widened
        ((0, 0, 60, 40), (-7.5, -30, 75, 100)),  # wide: heightened
    ],
)
def test_a_box_is_widened_to_the_inputs_proportions(box, region):
    at = object_transform((100, 100), box, ObjectCrop(**PLAIN), (256, 192))
    assert (at.x.start, at.y.start, at.x.length, at.y.length) == region


def test_beyond_the_picture_a_box_is_black():
    seen = prepare_object(
        white(20, 20), (10, 0, 30, 20), ObjectCrop(**PLAIN, padding=1.0), (20, 20)
    )
    assert (seen[:, :, :9] == 255).all()
    assert (seen[:, :, 11:] == 0).all()


def test_boxes_are_clipped_to_the_picture():
    at = picture_transform((640, 480), letterbox(), (416, 416))
    result = at.boxes_to_picture(np.array([[-50.0, 0, 500, 416], [52, 52, 364, 364]]))
    assert result[0].tolist() == [0, 0, 640, 480]
    assert result[1].tolist() == pytest.approx([80, 0, 560, 480])


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        ("letterbox", "--fit letterbox --size 96x128 --pad 0,0,0 --place centre --resample linear"),
        ("topleft", "--fit letterbox --size 96x128 --pad 0,0,0 --place topleft --resample linear"),
        ("stretch", "--fit stretch --size 96x128 --resample linear"),
        ("box", "--fit box --size 96x128 --padding 1.25"),
    ],
)
def test_the_board_is_told_the_same(kind, flags):
    levels = "--order rgb --mean 0.0,0.0,0.0 --norm 1.0,1.0,1.0"
    assert preprocess_flags(KINDS[kind], SIZE) == f"{flags} {levels}".split()
