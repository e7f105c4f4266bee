"""NanoTrack's rules, with nets that answer what a test wants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.core.errors import WrongInput
from piyard.vision.nanotrack import (
    Estimate,
    FollowedObject,
    GridCandidates,
    NanoTracker,
    NanotrackNets,
    change_penalties,
    clip_estimate,
    context_side,
    crop_subwindow,
    follow_object,
    mean_levels,
    sort_outputs,
)
from piyard.vision.schema import Corners, NanotrackConfig, Stretch

LEVELS = Stretch(order="bgr", mean=(0, 0, 0), norm=(1, 1, 1))
HOW = NanotrackConfig()
GRID = 15
BOX: Corners = (60, 40, 100, 120)
PICTURE = np.random.default_rng(3).integers(0, 256, (200, 300, 3), np.uint8)

Answer = Callable[[], tuple[np.ndarray, np.ndarray]]


def answer(row: int, column: int, sides: float | tuple[float, ...], sure: float = 10.0) -> Answer:
    """One place is sure of a box with those sides, the others of being empty."""
    scores = np.stack([np.full((GRID, GRID), 10.0), np.full((GRID, GRID), -10.0)])
    scores[:, row, column] = -sure, sure
    whole = np.broadcast_to(np.reshape(sides, (-1, 1, 1)), (4, GRID, GRID))
    return lambda: (scores.astype(np.float32), whole.astype(np.float32))


def sides_of(box: Corners) -> tuple[float, ...]:
    """The sides from its centre, in pixels of the search."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = 127 / float(context_side(width, height, 0.5))
    return (width / 2 * scale, height / 2 * scale) * 2


def tracker(
    say: Answer, box: Corners = BOX, how: NanotrackConfig = HOW
) -> tuple[NanoTracker, list[np.ndarray]]:
    """With what its backbone was shown."""
    shown: list[np.ndarray] = []

    def backbone(values: np.ndarray) -> np.ndarray:
        shown.append(values)
        return values

    return NanoTracker(NanotrackNets(backbone, lambda *_: say()), how, LEVELS, PICTURE, box), shown


def step(say: Answer, how: NanotrackConfig = HOW) -> FollowedObject:
    result, _ = tracker(say, how=how)
    return result.step(PICTURE)


def test_a_film():
    nets = NanotrackNets(lambda values: values, lambda *_: answer(7, 7, sides_of(BOX))())
    first, second, third = follow_object(nets, HOW, LEVELS, [PICTURE] * 3, BOX)
    assert first == FollowedObject(box=BOX, score=1)
    assert second.box == pytest.approx((59.5, 39.5, 99.5, 119.5), abs=1e-4)
    assert third.box == pytest.approx(second.box, abs=1e-4)
    assert list(follow_object(nets, HOW, LEVELS, [], BOX)) == []


def test_what_the_nets_see():
    result, shown = tracker(answer(7, 7, sides_of(BOX)))
    result.step(PICTURE)
    template, search = shown
    assert template.shape == (3, 127, 127)
    assert search.shape == (3, 255, 255)
    # 127 pixels show sqrt((40 + 60) x (80 + 60)) of the picture, 255 at the same scale twice that.
    side, around = round(14000**0.5), round(14000**0.5 * 255 / 127)
    beyond = mean_levels(PICTURE)
    seen = crop_subwindow(PICTURE, (79.5, 79.5), side, 127, beyond)
    assert np.array_equal(template, seen[..., ::-1].transpose(2, 0, 1))
    seen = crop_subwindow(PICTURE, (79.5, 79.5), around, 255, beyond)
    assert np.array_equal(search, seen[..., ::-1].transpose(2, 0, 1))


def test_an_object_that_stays():
    """The authors take the index of a centre for its place: half a pixel to the left and up."""
    result = step(answer(7, 7, sides_of(BOX)))
    assert result.box == pytest.approx((59.5, 39.5, 99.5, 119.5), abs=1e-4)
    assert result.score == pytest.approx(1 / (1 + np.exp(-20)))


@pytest.mark.parametrize(("row", "column"), [(7, 8), (6, 7), (9, 4)])
def test_an_object_that_moves(row, column):
    result = step(answer(row, column, sides_of(BOX)))
    pixel = 16 * 14000**0.5 / 127
    x, y = 79.5 + (column - 7) * pixel, 79.5 + (row - 7) * pixel
    assert result.box == pytest.approx((x - 20, y - 40, x + 20, y + 40), abs=1e-3)


def test_uneven_sides_move_the_centre():
    left, top, right, bottom = sides_of(BOX)
    result = step(answer(7, 7, (left - 10, top, right + 10, bottom)))
    assert (result.box[0] + result.box[2]) / 2 == pytest.approx(
        79.5 + 10 * 14000**0.5 / 127, abs=1e-3
    )


def test_the_size_follows_slowly():
    """As large again, as sure: penalty exp(-(2 x 1 - 1) x 0.138), rate 0.348 of it."""
    result = step(answer(7, 7, tuple(2 * side for side in sides_of(BOX)), sure=30.0))
    rate = np.exp(-0.138) * 0.348
    assert result.box[2] - result.box[0] == pytest.approx(40 * (1 + rate), abs=1e-3)
    assert result.box[3] - result.box[1] == pytest.approx(80 * (1 + rate), abs=1e-3)


def test_who_is_unsure_changes_little():
    result = step(answer(7, 7, tuple(2 * side for side in sides_of(BOX)), sure=0.0))
    assert result.score == pytest.approx(0.5)
    assert result.box[2] - result.box[0] == pytest.approx(
        40 * (1 + np.exp(-0.138) * 0.174), abs=1e-3
    )


def test_of_two_equals_the_nearer_one_is_taken():
    scores, sides = answer(7, 8, sides_of(BOX))()
    scores[:, 7, 2] = scores[:, 7, 8]
    assert step(lambda: (scores, sides)).box[0] > 60


def test_without_the_window_the_surer_one_is():
    scores, sides = answer(7, 8, sides_of(BOX), sure=1.0)()
    scores[:, 7, 2] = -2, 2
    assert step(lambda: (scores, sides)).box[0] > 60
    assert step(lambda: (scores, sides), how=NanotrackConfig(window=0)).box[0] < 50


def test_a_box_of_another_shape_is_less_liked():
    scores, sides = answer(7, 7, sides_of(BOX))()
    scores[:, 7, 8] = scores[:, 7, 7]
    sides[2, 7, 7] *= 9
    assert step(lambda: (scores, sides)).box[2] > 105


def test_it_stays_in_the_picture_and_large_enough():
    say = answer(14, 14, (0.1,) * 4, sure=30.0)
    result, _ = tracker(say, how=NanotrackConfig(rate=1, penalty=0))
    boxes = [result.step(PICTURE).box for _ in range(20)]
    assert boxes[-1] == pytest.approx((295, 195, 305, 205))


def test_a_smaller_picture_takes_it_in():
    result, _ = tracker(answer(7, 7, sides_of(BOX)), (200, 100, 290, 190))
    x0, y0, x1, y1 = result.step(PICTURE[:60, :80]).box
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((80, 60))
    assert (x1 - x0, y1 - y0) <= (80, 60)


@pytest.mark.parametrize(
    "box", [(300, 0, 310, 10), (0, 200, 10, 210), (-10, 0, 0, 10), (5, 5, 5, 9), (9, 5, 5, 9)]
)
def test_a_box_that_shows_nothing(box):
    with pytest.raises(WrongInput, match="shows nothing of a picture of 300x200 pixels"):
        tracker(answer(7, 7, 1.0), box)


POSITIVE = st.floats(0.5, 200)


@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_a_penalty_is_never_a_gain(width, height, was_width, was_height):
    place = np.zeros(1)
    candidates = GridCandidates(place, place, np.array([width]), np.array([height]), place + 1)
    (penalty,) = change_penalties(candidates, was_width, was_height, HOW)
    assert 0 <= penalty <= 1
    (same,) = change_penalties(candidates, width, height, HOW)
    assert same == pytest.approx(1)


@given(
    st.builds(
        Estimate, st.floats(-900, 900), st.floats(-900, 900), st.floats(0, 900), st.floats(0, 900)
    )
)
def test_clipping(belief):
    clipped = clip_estimate(belief, (300, 200))
    assert 0 <= clipped.x <= 300
    assert 0 <= clipped.y <= 200
    assert 10 <= clipped.width <= 300
    assert 10 <= clipped.height <= 200
    assert clip_estimate(clipped, (300, 200)) == clipped


def test_mean_levels_are_cut_off():
    picture = np.array([[[10, 0, 255], [11, 0, 255], [11, 1, 255]]], np.uint8)
    assert mean_levels(picture) == (10, 0, 255)


def test_beyond_the_picture_there_is_the_mean():
    grey = np.full((20, 20, 3), 50, np.uint8)
    seen = crop_subwindow(grey, (0, 0), 40, 40, (1, 2, 3))
    assert (seen[:19, :19] == (1, 2, 3)).all()
    assert (seen[21:, 21:] == 50).all()


def test_a_window_of_as_many_pixels_is_the_picture_itself():
    """From floor(100 - (31 + 1) / 2 + 0.5) on, as the authors round."""
    seen = crop_subwindow(PICTURE, (100, 90), 31, 31, (0, 0, 0))
    assert np.array_equal(seen, PICTURE[74:105, 84:115])


def test_outputs_in_any_order():
    scores, sides = np.zeros((2, 3, 3), np.float32), np.ones((4, 3, 3), np.float32)
    for outputs in ([scores, sides], [sides, scores]):
        assert sort_outputs(outputs)[0] is scores
        assert sort_outputs(outputs)[1] is sides


@pytest.mark.parametrize("channels", [(2,), (2, 5), (2, 4, 1), (2, 2)])
def test_outputs_of_another_head(channels):
    outputs = [np.zeros((count, 3, 3), np.float32) for count in channels]
    with pytest.raises(WrongInput, match="the head's outputs are 2x3x3"):
        sort_outputs(outputs)
