import numpy as np
import pytest

from piyard.convert.difference import CONSTANT_OUTPUT, SINGLE_NUMBER, compare_outputs
from piyard.core.errors import WrongInput


def test_equal_outputs():
    same = compare_outputs([1, 2, 3], [1, 2, 3])
    assert same.cosine == pytest.approx(1)
    assert same.max_abs == 0
    assert same.finite


def test_known_angle_and_distance():
    apart = compare_outputs([1, 0], [1, 1])
    assert apart.cosine == pytest.approx(np.sqrt(0.5))
    assert apart.max_abs == 1


def test_same_top_is_about_the_largest_element():
    assert compare_outputs([1, 5, 2], [0, 9, 8]).same_top
    assert not compare_outputs([1, 5, 2], [0, 8, 9]).same_top


def test_opposite_outputs():
    assert compare_outputs([1, 2], [-1, -2]).cosine == pytest.approx(-1)


def test_shape_is_no_matter_but_size_is():
    assert compare_outputs(np.ones((1, 4)), np.ones(4)).max_abs == 0
    with pytest.raises(WrongInput, match="4 and 5 values"):
        compare_outputs(np.ones(4), np.ones(5))
    with pytest.raises(WrongInput):
        compare_outputs([], [])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_is_never_alike(bad):
    for pair in ([1, bad], [1, 2]), ([1, 2], [1, bad]), ([1, bad], [1, bad]):
        comparison = compare_outputs(*pair)
        assert (comparison.cosine, comparison.max_abs, comparison.finite) == (0, np.inf, False)


def test_zeros_agree_with_zeros_only():
    assert compare_outputs([0, 0], [0, 0]).cosine == 1
    assert compare_outputs([0, 0], [0, 1]).cosine == 0


def test_order_of_elements_matters_for_views():
    """A transposed view is compared by its own order, not by that of its memory."""
    grid = np.arange(6.0).reshape(2, 3)
    assert compare_outputs(grid.T, np.ascontiguousarray(grid.T)).max_abs == 0


def test_sums_are_made_in_float64():
    large = np.full(1 << 16, 1e20, np.float32)
    assert compare_outputs(large, large).cosine == pytest.approx(1)


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ([0.5], SINGLE_NUMBER),
        ([[0.5]], SINGLE_NUMBER),
        ([0.5, 0.5], CONSTANT_OUTPUT),
        ([0, 0], CONSTANT_OUTPUT),
        ([1, 1.1], ""),
    ],
)
def test_a_cosine_that_says_nothing_is_told(reference, why):
    comparison = compare_outputs(reference, np.full(np.shape(reference), 0.75))
    assert comparison.blind == why


def test_the_difference_as_a_part_of_the_largest_value():
    assert compare_outputs([0.5], [0.75]).relative == pytest.approx(0.5)
    assert compare_outputs([-4, 1], [-4, 2]).relative == pytest.approx(0.25)
    assert compare_outputs([0.0], [0.0]).relative == 0
    assert compare_outputs([0.0], [0.1]).relative == np.inf
