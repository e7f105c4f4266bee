"""ONNX graphs cut, given a size and rewritten: onnxruntime says whether they compute the same."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from piyard.convert.onnx.file import read_onnx
from piyard.convert.onnx.graph import (
    float_tensors,
    free_input_shapes,
    graph_input_shapes,
    graph_inputs,
    set_input_shapes,
    update_old_nodes,
)
from piyard.convert.onnx.rewrite import StridedSlice, cut_graph, rewrite_focus, spread_kernel
from piyard.core.errors import ConversionFailed

FAR = np.iinfo(np.int64).max


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def model(nodes, outputs, inputs=(("x", [1, 2, 8, 8]),), weights=(), opset=11):
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, list("abcd")) for n in outputs],
        list(weights),
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def run(graph, **fed):
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, fed)


def types(graph):
    return [node.op_type for node in graph.graph.node]


def chain():
    return model(
        [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node("Mul", ["a", "two"], ["b"]),
            helper.make_node("Sigmoid", ["b"], ["c"]),
            helper.make_node("Neg", ["a"], ["d"]),
        ],
        ["c", "d"],
        weights=[tensor("two", 2.0), tensor("unused", [1.0, 2.0])],
    )


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((1, 2, 8, 8)).astype(np.float32)


# -- cutting -----------------------------------------------------------------------------------


def test_outputs_are_those_asked_for_in_that_order(x):
    part = cut_graph(chain(), ["d", "b"])
    assert [value.name for value in part.graph.output] == ["d", "b"]
    d, b = run(part, x=x)
    assert np.array_equal(d, -np.maximum(x, 0))
    assert np.array_equal(b, 2 * np.maximum(x, 0))


def test_what_the_outputs_do_not_need_is_left_out():
    part = cut_graph(chain(), ["d"])
    assert types(part) == ["Relu", "Neg"]
    assert not part.graph.initializer
    assert {t.name for t in cut_graph(chain()).graph.initializer} == {"two"}


def test_the_graph_itself_is_not_touched():
    graph = chain()
    before = graph.SerializeToString()
    cut_graph(graph, ["b"])
    assert graph.SerializeToString() == before


def test_a_tensor_that_does_not_exist_names_the_nearest():
    graph = chain()
    graph.graph.node[0].output[0] = "features"
    graph.graph.node[1].input[0] = graph.graph.node[3].input[0] = "features"
    with pytest.raises(ConversionFailed, match="did you mean 'features'"):
        cut_graph(graph, ["feature"])


def test_what_inner_graphs_read_is_kept(x):
    """The branch of an If reads tensors from outside without listing them."""
    then, other = (
        helper.make_graph(
            [helper.make_node(kind, ["a"], [f"{kind}_out"])],
            kind,
            [],
            [helper.make_tensor_value_info(f"{kind}_out", TensorProto.FLOAT, None)],
        )
        for kind in ("Neg", "Exp")
    )
    graph = model(
        [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node("If", ["yes"], ["out"], then_branch=then, else_branch=other),
        ],
        ["out"],
        weights=[tensor("yes", True, np.bool_)],
    )
    part = cut_graph(graph, ["out"])
    assert types(part) == ["Relu", "If"]
    assert np.array_equal(run(part, x=x)[0], -np.maximum(x, 0))


def test_weights_listed_as_inputs_are_no_inputs(x):
    """Files of IR version 3 list them all."""
    graph = chain()
    graph.graph.input.append(helper.make_tensor_value_info("two", TensorProto.FLOAT, []))
    assert [value.name for value in graph_inputs(graph)] == ["x"]
    assert [value.name for value in cut_graph(graph).graph.input] == ["x"]
    assert len(run(cut_graph(graph), x=x)) == 2


# -- sizes -------------------------------------------------------------------------------------


def convolution(side="side", pads=(1, 1, 1, 1)):
    weights = np.random.default_rng(1).standard_normal((4, 2, 3, 3))
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=list(pads))
    inputs = (("x", ["batch", 2, side, side]),)
    return model([node], ["y"], inputs=inputs, weights=[tensor("w", weights)])


def test_every_shape_follows_from_the_inputs():
    graph = set_input_shapes(convolution(), [(1, 2, 12, 20)])
    shape = graph.graph.output[0].type.tensor_type.shape
    assert [dim.dim_value for dim in shape.dim] == [1, 4, 12, 20]
    assert float_tensors(graph) == ["y"]


def test_a_size_that_was_in_the_file_gives_way():
    graph = set_input_shapes(convolution(side=8), [(1, 2, 16, 16)])
    assert graph_input_shapes(graph) == [[1, 2, 16, 16]]
    assert run(graph, x=np.zeros((1, 2, 16, 16), np.float32))[0].shape == (1, 4, 16, 16)


def test_a_shape_the_graph_cannot_take():
    with pytest.raises(ConversionFailed, match="4 dimensions"):
        set_input_shapes(convolution(), [(1, 2, 8)])


def test_a_size_that_constants_within_do_not_allow():
    add = helper.make_node("Add", ["x", "grid"], ["y"])
    graph = model([add], ["y"], weights=[tensor("grid", np.zeros((1, 2, 8, 8)))])
    assert set_input_shapes(graph, [(1, 2, 8, 8)])
    with pytest.raises(ConversionFailed, match="1x2x9x9"):
        set_input_shapes(graph, [(1, 2, 9, 9)])


def test_a_second_input_that_nobody_feeds():
    with pytest.raises(ConversionFailed, match="1 inputs"):
        set_input_shapes(convolution(), [(1, 2, 8, 8), (1, 2, 8, 8)])


@pytest.mark.parametrize("side", [8, 12])
def test_a_freed_graph_takes_any_size(side):
    graph = free_input_shapes(convolution(side=8))
    assert run(graph, x=np.zeros((1, 2, side, side), np.float32))[0].shape == (1, 4, side, side)


# -- old files ---------------------------------------------------------------------------------


def test_normalisation_of_mxnets_exporter(x):
    values = [tensor(name, [1.0, 2.0]) for name in ("scale", "bias", "mean", "var")]
    node = helper.make_node(
        "BatchNormalization", ["x", "scale", "bias", "mean", "var"], ["y"], spatial=0
    )
    graph = update_old_nodes(model([node], ["y"], weights=values, opset=8))
    assert [each.name for each in graph.graph.node[0].attribute] == []
    (got,) = run(graph, x=x)
    assert np.allclose(got[:, 0], (x[:, 0] - 1) / np.sqrt(1 + 1e-5) + 1, atol=1e-5)


# -- Focus -------------------------------------------------------------------------------------


def focus(
    offsets=((0, 0), (1, 0), (0, 1), (1, 1)),
    *,
    step=2,
    kernel=3,
    stride=1,
    pad=1,
    apart=True,
    axis=1,
    group=1,
    ends=FAR,
    bias=True,
    also=(),
):
    """The beginning of YOLOX: slices, Concat, Conv. ``apart`` has two slices one after another."""
    rng = np.random.default_rng(2)
    nodes, weights = [], [tensor("step", [step], np.int64), tensor("end", [ends], np.int64)]
    weights += [tensor(f"axis{i}", [i], np.int64) for i in (2, 3)]
    weights += [tensor("both", [2, 3], np.int64), tensor("ends", [ends] * 2, np.int64)]
    weights += [tensor("steps", [step] * 2, np.int64)]
    for i, (row, column) in enumerate(offsets):
        starts = [tensor(f"{i}r", [row], np.int64), tensor(f"{i}c", [column], np.int64)]
        weights += [*starts, tensor(f"{i}rc", [row, column], np.int64)]
        if apart:
            nodes += [
                helper.make_node("Slice", ["x", f"{i}r", "end", "axis2", "step"], [f"rows{i}"]),
                helper.make_node("Slice", [f"rows{i}", f"{i}c", "end", "axis3", "step"], [f"p{i}"]),
            ]
        else:
            single = ["x", f"{i}rc", "ends", "both", "steps"]
            nodes.append(helper.make_node("Slice", single, [f"p{i}"]))
    many = len(offsets)
    nodes.append(helper.make_node("Concat", [f"p{i}" for i in range(many)], ["cat"], axis=axis))
    shape = (8, 2 * many // group, kernel, kernel)
    weights += [tensor("w", rng.standard_normal(shape)), tensor("b", rng.standard_normal(8))]
    conv: dict[str, Any] = {
        "kernel_shape": [kernel] * 2,
        "strides": [stride] * 2,
        "pads": [pad] * 4,
    }
    reads = ["cat", "w", *(["b"] if bias else [])]
    nodes += [helper.make_node("Conv", reads, ["y"], group=group, **conv), *also]
    side = 4 * step
    return model(nodes, ["y"], inputs=(("x", [1, 2, side, side]),), weights=weights)


def assert_the_same(graph, rewritten):
    shape = graph_input_shapes(graph)[0]
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    for each, other in zip(run(graph, x=x), run(rewritten, x=x), strict=True):
        assert each.shape == other.shape
        assert np.allclose(each, other, rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    offsets=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=5),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 2]),
    pad=st.integers(0, 2),
    apart=st.booleans(),
    bias=st.booleans(),
)
def test_focus_is_one_convolution(offsets, kernel, stride, pad, apart, bias):
    pad = max(pad, kernel // 2)
    graph = focus(offsets, kernel=kernel, stride=stride, pad=pad, apart=apart, bias=bias)
    rewritten = rewrite_focus(graph)
    assert types(rewritten) == ["Conv"]
    assert_the_same(graph, rewritten)


def test_yolox_becomes_six_by_six():
    rewritten = rewrite_focus(focus())
    (conv,) = rewritten.graph.node
    result = {
        each.name: list(helper.get_attribute_value(each)) for each in conv.attribute if each.ints
    }
    assert result == {"kernel_shape": [6, 6], "strides": [2, 2], "pads": [2, 2, 2, 2]}
    assert {t.name for t in rewritten.graph.initializer} == {"w_every_2", "b"}


def test_steps_of_three():
    graph = focus([(0, 0), (2, 1), (1, 2)], step=3)
    rewritten = rewrite_focus(graph)
    assert types(rewritten) == ["Conv"]
    assert_the_same(graph, rewritten)


@pytest.mark.parametrize(
    "other",
    [
        focus(ends=6),
        focus(axis=2),
        focus(group=2),
        focus([(0, 0), (3, 0)]),
        focus(step=1),
        focus(also=[helper.make_node("Relu", ["cat"], ["z"])]),
    ],
    ids=["not to the end", "along rows", "groups", "too far in", "no step", "read by another"],
)
def test_anything_else_stays_as_it_is(other):
    assert rewrite_focus(other) is other


def test_a_graph_without_one_is_the_same_graph():
    graph = chain()
    assert rewrite_focus(graph) is graph


def test_weights_go_where_their_pixels_are():
    kernel = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1)
    places = [(0, 0), (1, 0), (0, 1), (1, 1)]
    parts = [StridedSlice(source="x", row=r, column=c, step=2) for r, c in places]
    assert spread_kernel(kernel, parts).tolist() == [[[[0, 2], [1, 3]]]]


def test_real_yolox(mirror):
    graph = read_onnx(mirror / "weights" / "yolox" / "yolox_nano.onnx")
    rewritten = rewrite_focus(graph)
    assert types(graph).count("Slice") == 8
    assert "Slice" not in types(rewritten)
    assert_the_same_pictures(graph, rewritten)


def assert_the_same_pictures(graph, rewritten):
    x = np.random.default_rng(4).integers(0, 256, (1, 3, 416, 416)).astype(np.float32)
    (each,), (other,) = run(graph, images=x), run(rewritten, images=x)
    assert np.abs(each - other).max() < 1e-3 * np.abs(each).max()
