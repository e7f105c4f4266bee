"""Graphs written in tensors of few axes compute what they computed, and have few axes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from piyard.convert.onnx.fold import fold_constants
from piyard.convert.onnx.layout import coalesce_axes, find_runs
from tests.conversion.simplifying import compute, graph, integers, kinds, require_same

FAR = np.iinfo(np.int64).max
# -- what only moves values ----------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_transposition(data):
    """Of up to seven axes, in tensors of five; (2, 3, 2, 1, 3, 2, 2) among them."""
    sides = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=7))
    order = data.draw(st.permutations(range(len(sides))))
    flat = (1, int(np.prod(sides)))
    nodes = [
        helper.make_node("Reshape", ["x", "sides"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=list(order)),
        helper.make_node("Reshape", ["b", "flat"], ["y"]),
    ]
    constants = {"sides": integers(*sides), "flat": integers(*flat)}
    require_same(graph(nodes, flat, constants), flat)


@pytest.mark.parametrize(
    ("shape", "order", "fewest"),
    [
        ((2, 3, 4), (0, 1, 2), ((24,), (0,))),
        ((1, 3, 4, 5), (0, 2, 3, 1), ((3, 20), (1, 0))),
        ((1, 2, 7, 4, 7, 96), (0, 1, 3, 2, 4, 5), ((2, 7, 4, 672), (0, 2, 1, 3))),
        ((1, 1, 5), (1, 2, 0), ((5,), (0,))),
    ],
)
def test_the_fewest_axes_of_a_transposition(shape, order, fewest):
    assert coalesce_axes(shape, order) == fewest


def test_windows_of_a_picture():
    """As Swin and MaxViT take them: (1, 8, 8, 6) → four windows of 4 x 4."""
    nodes = [
        helper.make_node("Reshape", ["x", "six"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 1, 3, 2, 4, 5]),
        helper.make_node("Reshape", ["b", "windows"], ["c"]),
        helper.make_node("Softmax", ["c"], ["d"], axis=-1),
        helper.make_node("MatMul", ["d", "w"], ["e"]),
        helper.make_node("Add", ["e", "bias"], ["y"]),
    ]
    constants = {
        "six": integers(1, 2, 4, 2, 4, 6),
        "windows": integers(4, 16, 6),
        "w": np.random.default_rng(1).standard_normal((6, 5)).astype(np.float32),
        "bias": np.random.default_rng(2).standard_normal(5).astype(np.float32),
    }
    require_same(graph(nodes, (1, 8, 8, 6), constants), (1, 8, 8, 6), within=1e-6)


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([0], [FAR], [2], [2]),
        ([1], [FAR], [2], [2]),
        ([1, 0], [FAR, FAR], [2, 3], [2, 2]),
        ([-3], [-1], [1], [1]),
        ([2], [7], [3], [3]),
        ([0], [FAR], [1], [1]),
    ],
)
def test_slices(starts, ends, axes, steps):
    shape = (1, 5, 7, 9)
    constants = {"s": starts, "e": ends, "a": axes, "t": steps}
    nodes = [helper.make_node("Slice", ["x", "s", "e", "a", "t"], ["y"])]
    arrays = {key: integers(*value) for key, value in constants.items()}
    simple = require_same(graph(nodes, shape, arrays), shape)
    assert ("MaxPool" in kinds(simple)) == (max(steps) > 1)


@pytest.mark.parametrize("places", [3, [3], [0, 1, 2], [4, 2, 0], [0, 3, 1, 4], [[0, 2], [-1, 1]]])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_gather_at_constant_places(places, axis):
    shape = (1, 5, 6)
    nodes = [helper.make_node("Gather", ["x", "places"], ["y"], axis=axis)]
    simple = require_same(graph(nodes, shape, {"places": np.array(places, np.int64)}), shape)
    assert "Gather" not in kinds(simple)


def test_places_in_runs():
    assert find_runs([0, 1, 2, 5, 7, 9, 3]) == [(0, 3, 1), (5, 3, 2), (3, 1, 1)]
    assert find_runs([]) == []


def test_queries_keys_and_values():
    """(1, 5, 3 x 2 x 4) → three of (1, 2, 5, 4)."""
    nodes = [
        helper.make_node("Reshape", ["x", "five"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[2, 0, 3, 1, 4]),
        helper.make_node("Split", ["b"], ["c0", "c1", "c2"], axis=0),
        *(helper.make_node("Squeeze", [f"c{i}", "zero"], [f"y{i}"]) for i in range(3)),
    ]
    model = graph(
        nodes,
        (1, 5, 24),
        {"five": integers(1, 5, 3, 2, 4), "zero": integers(0)},
        outputs=("y0", "y1", "y2"),
    )
    require_same(model, (1, 5, 24))


def test_what_is_put_together_along_windows():
    nodes = [
        helper.make_node("Reshape", ["x", "windows"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Concat", ["a", "b"], ["y"], axis=1),
    ]
    require_same(graph(nodes, (1, 4, 6), {"windows": integers(4, 2, 3)}), (1, 4, 6))


def test_a_padding_by_nothing_is_left_out():
    nodes = [helper.make_node("Pad", ["x", "none"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    simple = require_same(graph(nodes, (1, 2, 3), {"none": integers(0, 0, 0, 0, 0, 0)}), (1, 2, 3))
    assert "Pad" not in kinds(simple)


# -- what computes ---------------------------------------------------------------------------------

WINDOWS = {"windows": integers(4, 2, 6)}


def in_windows(*nodes: Any):
    return [helper.make_node("Reshape", ["x", "windows"], ["w"]), *nodes]


@pytest.mark.parametrize("kind", ["Relu", "Erf", "Tanh"])
def test_each_value_for_itself(kind):
    model = graph(in_windows(helper.make_node(kind, ["w"], ["y"])), (1, 4, 12), WINDOWS)
    require_same(model, (1, 4, 12))


@pytest.mark.parametrize("opset", [11, 17, 18])
@pytest.mark.parametrize("axes", [[1], [2], [1, 2], [-1]])
@pytest.mark.parametrize(
    "kind", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2"]
)
def test_reductions(kind, axes, opset):
    """The axes are an attribute or an input; pnnx reads the former only."""
    as_input = opset >= (13 if kind == "ReduceSum" else 18)
    inputs, options = (["w", "axes"], {}) if as_input else (["w"], {"axes": axes})
    node = helper.make_node(kind, inputs, ["y"], keepdims=0, **options)
    constants = WINDOWS | ({"axes": integers(*axes)} if as_input else {})
    simple = require_same(
        graph(in_windows(node), (1, 4, 12), constants, opset=opset), (1, 4, 12), within=1e-5
    )
    assert kind not in kinds(simple)


@pytest.mark.parametrize("shape", [(4, 1, 6), (1, 2, 6), (6,), (1, 1, 1), (4, 2, 6), ()])
@pytest.mark.parametrize("kind", ["Add", "Div"])
def test_pairs_of_which_one_is_repeated(kind, shape):
    other = np.random.default_rng(1).uniform(1, 2, shape).astype(np.float32)
    nodes = in_windows(helper.make_node(kind, ["w", "other"], ["y"]))
    require_same(graph(nodes, (1, 4, 12), WINDOWS | {"other": other}), (1, 4, 12))


def test_an_expand_before_a_division():
    """As torch's normalize is exported."""
    nodes = in_windows(
        helper.make_node("ReduceL2", ["w"], ["n"], axes=[2], keepdims=1),
        helper.make_node("Expand", ["n", "whole"], ["e"]),
        helper.make_node("Div", ["w", "e"], ["y"]),
    )
    model = graph(nodes, (1, 4, 12), WINDOWS | {"whole": integers(4, 2, 6)})
    assert "Expand" not in kinds(require_same(model, (1, 4, 12), within=1e-6))


def test_products_within_each_window():
    nodes = in_windows(
        helper.make_node("Transpose", ["w"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["w", "t"], ["y"]),
    )
    require_same(graph(nodes, (1, 4, 12), WINDOWS), (1, 4, 12), within=1e-5)


def test_rows_that_look_like_a_batch():
    """A linear layer and its normalisation on (rows, features), as LeViT has them."""
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["r"]),
        helper.make_node("Gemm", ["r", "w", "b"], ["g"], transB=1),
        helper.make_node("BatchNormalization", ["g", "s", "o", "m", "v"], ["y"]),
    ]
    constants = {
        "rows": integers(8, 6),
        "w": rng.standard_normal((5, 6)).astype(np.float32),
        **{key: rng.standard_normal(5).astype(np.float32) for key in "bsom"},
        "v": rng.uniform(1, 2, 5).astype(np.float32),
    }
    require_same(graph(nodes, (1, 8, 6), constants), (1, 8, 6), within=1e-5)


# -- what depends on nothing -----------------------------------------------------------------------


def test_what_depends_on_constants_only_is_computed():
    """Shapes, ranges, masks and scattered constants."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "two"], ["columns"]),
        helper.make_node("Range", ["zero", "columns", "one"], ["range"]),
        helper.make_node("Mod", ["range", "two"], ["odd"]),
        helper.make_node("Cast", ["odd"], ["bool"], to=TensorProto.BOOL),
        helper.make_node("Where", ["bool", "minus", "plus"], ["mask"]),
        helper.make_node("Add", ["x", "mask"], ["y"]),
    ]
    constants = {
        **{key: np.array(value, np.int64) for key, value in (("zero", 0), ("one", 1), ("two", 2))},
        **{key: np.float32(value) for key, value in (("minus", -9), ("plus", 0))},
    }
    model = graph(nodes, (1, 3, 8), constants)
    assert kinds(fold_constants(model)) == {"Add"}
    assert np.array_equal(
        compute(fold_constants(model), (1, 3, 8))[0], compute(model, (1, 3, 8))[0]
    )
