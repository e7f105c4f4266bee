"""What is in a picture, drawn with nnrun's colours."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from piyard.core.paths import ROOT
from piyard.vision import drawing
from piyard.vision.drawing import (
    TITLE_GROUND,
    distinct_colour,
    draw_frame,
    draw_regions,
    readable_on,
)
from piyard.vision.predictions import ClassScore, Frame, PredictedObject, encode_mask

GREY = (90, 90, 90)
BOX = (0.0, 0.0, 1.0, 1.0)


def framed(*objects, top=()):
    return Frame(name="a", width=120, height=80, objects=list(objects), top=list(top))


def drawn(*objects, top=()):
    return np.asarray(draw_frame(Image.new("RGB", (120, 80), GREY), framed(*objects, top=top)))


def seen(**more):
    return PredictedObject(class_=2, label="cat", score=0.9, box=(20, 30, 70, 60), **more)


def test_a_box_has_its_classs_colour_and_the_rest_stays():
    pixels = drawn(seen())
    assert tuple(pixels[45, 20]) == distinct_colour(2)
    assert tuple(pixels[60, 50]) == distinct_colour(2)
    assert tuple(pixels[75, 110]) == GREY
    assert tuple(pixels[45, 45]) == GREY


def test_a_rotated_box_stands_as_it_lies():
    """A square on its corner: the middles of its edges, and nothing of the box around it."""
    pixels = drawn(seen(rotated=(45.0, 45.0, 20.0, 20.0, np.pi / 4)))
    below = pixels[50:55, 35:41].reshape(-1, 3), pixels[50:55, 50:56].reshape(-1, 3)
    assert all(distinct_colour(2) in map(tuple, edge.tolist()) for edge in below)
    assert tuple(pixels[45, 45]) == GREY
    assert tuple(pixels[58, 21]) == GREY


def test_a_mask_tints_only_what_it_covers():
    mask = np.zeros((80, 120), bool)
    mask[40:50, 30:50] = True
    pixels = drawn(seen(mask=encode_mask(mask)))
    assert tuple(pixels[45, 40]) != GREY
    assert tuple(pixels[55, 60]) == GREY


def test_keypoints_that_are_hardly_seen_are_left_out():
    pixels = drawn(seen(keypoints=[(40.0, 45.0, 0.9), (60.0, 45.0, 0.1)]))
    assert tuple(pixels[45, 40]) == distinct_colour(0)
    assert tuple(pixels[45, 60]) == GREY


def test_the_best_class_stands_in_the_corner():
    pixels = drawn(top=[ClassScore(index=1, label="dög \N{CAT FACE}", score=0.7)])
    assert tuple(pixels[0, 0]) == drawing.TITLE_GROUND
    assert tuple(pixels[70, 110]) == GREY


def test_nothing_seen_changes_nothing():
    assert (drawn() == GREY).all()


@pytest.mark.parametrize(("ground", "letters"), [((250, 250, 0), 0), ((40, 40, 200), 255)])
def test_letters_can_be_read(ground, letters):
    assert readable_on(ground) == (letters,) * 3


def test_the_colours_are_nnruns():
    """The two places that compute them have the same constants."""
    source = Path(ROOT / "runner/src/vision/canvas.cpp").read_text()
    for name, value in (
        ("golden_turn", drawing.GOLDEN_TURN),
        ("first_hue", drawing.FIRST_HUE),
        ("darkest", drawing.DARKEST),
        ("brightest", drawing.BRIGHTEST),
    ):
        result = re.search(rf"constexpr double {name} = ([0-9.]+);", source)
        assert result
        assert float(result[1]) == value
    assert distinct_colour(0) == (245, 89, 40)


def test_regions_are_tinted_and_listed_with_their_shares():
    picture = Image.new("RGB", (200, 120), (128, 128, 128))
    right = np.zeros((120, 200), np.bool_)
    right[:, 100:] = True
    regions = [
        PredictedObject(class_=0, label="background", score=0.5, box=BOX, mask=encode_mask(~right)),
        PredictedObject(class_=1, label="road", score=0.5, box=BOX, mask=encode_mask(right)),
    ]
    frame = Frame(name="a", width=200, height=120, objects=regions)
    pixels = np.asarray(draw_regions(picture, frame), int)
    assert (pixels[60:, :100] == 128).all(), "the background is as it was"
    assert (pixels[60:, 100:] != 128).any(axis=-1).all()
    assert tuple(pixels[1, 1]) == TITLE_GROUND, "the legend"
