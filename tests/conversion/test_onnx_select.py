"""Values chosen, repeated and replaced at constant places are the same, by other operations."""

import numpy as np
import pytest
from onnx import helper

from tests.conversion.simplifying import graph, integers, kinds, require_same

SHAPE = (1, 4, 6, 5)
RNG = np.random.default_rng(5)


def simplified(node, constants, shape=SHAPE, *, within=0.0, opset=17):
    simple = require_same(graph([node], shape, constants, opset=opset), shape, within=within)
    assert node.op_type not in kinds(simple)
    return simple


def test_many_places_are_chosen_by_a_matrix():
    places = RNG.permutation(200)
    node = helper.make_node("Gather", ["x", "places"], ["y"], axis=1)
    assert "MatMul" in kinds(simplified(node, {"places": places}, (1, 200, 3)))


@pytest.mark.parametrize(
    "places", [[[0, 3]], [[0, 1], [0, 0], [0, 3]], [[[0, 2, 5]], [[0, 1, -1]]]], ids=str
)
def test_places_of_several_axes(places):
    node = helper.make_node("GatherND", ["x", "places"], ["y"])
    simplified(node, {"places": np.array(places, np.int64)})


@pytest.mark.parametrize("axis", [1, -1])
def test_each_value_from_its_own_place(axis):
    places = RNG.integers(-4, 4, (1, 4, 6, 5))
    node = helper.make_node("GatherElements", ["x", "places"], ["y"], axis=axis)
    simplified(node, {"places": places})


@pytest.mark.parametrize("counts", [(1, 1, 2, 3), (1, 5, 1, 1), (2, 1, 1, 1), (1, 1, 1, 1)])
def test_repetition(counts):
    simplified(helper.make_node("Tile", ["x", "n"], ["y"]), {"n": integers(*counts)})


def test_expansion():
    node = helper.make_node("Expand", ["x", "n"], ["y"])
    simplified(node, {"n": integers(1, 4, 6, 5)}, (1, 4, 1, 5))


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("shape", [(6, 5), (1, 4, 1, 1), (1, 4, 6, 5)])
def test_a_constant_mask(shape, swapped):
    values = ["other", "x"] if swapped else ["x", "other"]
    mask = RNG.integers(0, 2, shape).astype(bool)
    node = helper.make_node("Where", ["mask", *values], ["y"])
    simplified(node, {"mask": mask, "other": np.float32(-2.5)})


def test_infinities_are_no_product_with_a_mask():
    """Such a Where stays, and is refused by its name."""
    node = helper.make_node("Where", ["mask", "x", "other"], ["y"])
    constants = {"mask": np.ones(SHAPE, bool), "other": np.float32(-np.inf)}
    constants["mask"][0, 0, 0, 0] = False
    simple = require_same(graph([node], SHAPE, constants), SHAPE)
    assert "Where" in kinds(simple)


@pytest.mark.parametrize("computed", [False, True])
def test_replaced_rows(computed):
    constants = {"places": np.array([[[0, 1]], [[0, 3]]])}
    nodes = [helper.make_node("ScatterND", ["x", "places", "new"], ["y"])]
    if computed:
        nodes.insert(0, helper.make_node("Slice", ["x", "s", "e", "axes"], ["part"]))
        nodes.insert(1, helper.make_node("Reshape", ["part", "sides"], ["new"]))
        constants |= {"s": integers(0), "e": integers(2), "axes": integers(1)}
        constants |= {"sides": integers(2, 1, 6, 5)}
    else:
        constants["new"] = RNG.standard_normal((2, 1, 6, 5)).astype(np.float32)
    assert "ScatterND" not in kinds(require_same(graph(nodes, SHAPE, constants), SHAPE))


@pytest.mark.parametrize("axis", [1, 3])
def test_replaced_values(axis):
    backwards = np.arange(SHAPE[axis])[::-1].reshape((1, -1, 1, 1) if axis == 1 else (1, 1, 1, -1))
    places = np.broadcast_to(backwards, SHAPE)
    constants = {"places": places, "new": RNG.standard_normal(SHAPE).astype(np.float32)}
    node = helper.make_node("ScatterElements", ["x", "places", "new"], ["y"], axis=axis)
    simplified(node, constants)


@pytest.mark.parametrize("options", [{}, {"exclusive": 1}, {"reverse": 1}], ids=str)
def test_running_sums(options):
    node = helper.make_node("CumSum", ["x", "axis"], ["y"], **options)
    simplified(node, {"axis": np.array(2)}, within=1e-5)


@pytest.mark.parametrize("kind", ["SpaceToDepth", "DepthToSpace"])
@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_pixels_and_channels(kind, mode):
    options = {"mode": mode} if kind == "DepthToSpace" else {}
    node = helper.make_node(kind, ["x"], ["y"], blocksize=2, **options)
    simplified(node, {}, (1, 8, 4, 6))


def test_the_logarithm_of_a_sum_of_exponentials():
    """Also of numbers whose exponentials are infinite."""
    nodes = [
        helper.make_node("Mul", ["x", "large"], ["a"]),
        helper.make_node("ReduceLogSumExp", ["a"], ["y"], axes=[1], keepdims=0),
    ]
    model = graph(nodes, SHAPE, {"large": np.float32(100)})
    assert "ReduceLogSumExp" not in kinds(require_same(model, SHAPE, within=1e-5))
