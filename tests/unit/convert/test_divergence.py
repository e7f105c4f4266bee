"""Which layer is at fault, given which blobs are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.convert.divergence import first_lost_layer
from piyard.convert.mask_search import relative_distance
from piyard.convert.param import Layer


def layer(name: str, reads: str, makes: str) -> Layer:
    kind = "Input" if not reads else "Convolution"
    return Layer(type=kind, name=name, bottoms=reads.split(), tops=makes.split())


CHAIN = [
    layer("in", "", "x"),
    *(layer(f"l{i}", f"b{i - 1}" if i else "x", f"b{i}") for i in range(5)),
]
FORK = [
    layer("in", "", "x"),
    layer("first", "x", "a"),
    layer("left", "a", "l"),
    layer("right", "a", "r"),
    layer("join", "l r", "out"),
]


def lost(layers: list[Layer], *wrong: str) -> str | None:
    right = {name: name not in wrong for each in layers for name in each.tops}
    result = first_lost_layer(layers, right)
    return result.name if result else None


def test_nothing_is_wrong() -> None:
    assert lost(CHAIN) is None
    assert lost(FORK) is None


@given(first=st.integers(0, 4))
def test_a_chain_is_wrong_from_some_layer_on(first: int) -> None:
    assert lost(CHAIN, *(f"b{i}" for i in range(first, 5))) == f"l{first}"


def test_what_is_found_again_later_was_only_put_together_differently() -> None:
    assert lost(CHAIN, "b1", "b2") is None
    assert lost(CHAIN, "b1", "b3", "b4") == "l3"


def test_one_branch_of_two() -> None:
    assert lost(FORK, "r", "out") == "right"
    assert lost(FORK, "out") == "join"
    assert lost(FORK, "a", "l", "r", "out") == "first"


def test_a_branch_that_is_right_absolves_what_is_before_it_only() -> None:
    assert lost(FORK, "a", "l", "out") == "left"


def test_distance_is_a_part_of_the_length() -> None:
    single = np.array([3.0, 4.0], np.float32)
    assert relative_distance(single, single) == 0
    assert relative_distance(single, 2 * single) == pytest.approx(1)
    apart = relative_distance(single, single + np.float32(0.05))
    assert apart == pytest.approx(0.05 * 2**0.5 / 5, rel=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_infinitely_far(bad: float) -> None:
    single = np.array([3.0, 4.0], np.float32)
    assert relative_distance(single, np.array([3.0, bad], np.float32)) == np.inf
    assert relative_distance(np.array([bad, 1.0], np.float32), single) == np.inf


def test_zeros_have_no_length() -> None:
    zero = np.zeros(3, np.float32)
    assert relative_distance(zero, zero) == 0
    assert relative_distance(zero, zero + 1) > 1
