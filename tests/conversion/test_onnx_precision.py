"""fp16, bf16 and double become single floats; what is quantised or not ONNX's own is refused."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from piyard.convert.onnx.file import read_onnx
from piyard.convert.onnx.precision import (
    list_other_types,
    read_network,
    require_standard,
    to_single,
)
from piyard.convert.onnx_reference import load_onnx
from piyard.core.errors import ConversionFailed

HALF, BRAIN, DOUBLE = TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE
WEIGHT = np.random.default_rng(3).standard_normal((4, 3, 1, 1)).astype(np.float16)
SHAPE = (3, 6, 6)


def network(kind, *, outer=None, weight=WEIGHT):
    """A convolution, a constant within and a cast, in that type; inputs of another one, perhaps."""
    outer = outer or kind
    constant = helper.make_tensor("", kind, [1], [0.5])
    nodes = [
        helper.make_node("Cast", ["x"], ["inside"], to=kind),
        helper.make_node("Conv", ["inside", "w"], ["a"]),
        helper.make_node("Constant", [], ["half"], value=constant),
        helper.make_node("Mul", ["a", "half"], ["b"]),
        helper.make_node("Cast", ["b"], ["y"], to=outer),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", outer, [1, *SHAPE])],
        [helper.make_tensor_value_info("y", outer, [1, 4, 6, 6])],
        [helper.make_tensor("w", kind, weight.shape, weight.ravel().tolist())],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def saved(folder, model):
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def expected(x):
    return 0.5 * np.einsum("oc,chw->ohw", WEIGHT[:, :, 0, 0].astype(np.float64), x)


@pytest.mark.parametrize(
    ("kind", "name"), [(HALF, "fp16"), (BRAIN, "bf16"), (DOUBLE, "double")], ids=str
)
@pytest.mark.parametrize("outer", ["the same", "single"])
def test_other_floats_become_single_ones(tmp_path, kind, name, outer):
    """Of bf16 the weights are rounded as the file is written: nothing else is."""
    single = TensorProto.FLOAT if outer == "single" else None
    file = saved(tmp_path, network(kind, outer=single))
    assert list_other_types(read_onnx(file)) == [name]
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    (y,) = load_onnx(file, [SHAPE]).run(x)
    assert y.dtype == np.float32
    tolerance = 2.0**-8 if kind == BRAIN else 1e-6
    assert np.allclose(y, expected(x), atol=8 * tolerance, rtol=tolerance)
    assert not list_other_types(read_network(file))


def test_widening_changes_no_weight(tmp_path):
    graph = read_network(saved(tmp_path, network(HALF)))
    assert np.array_equal(numpy_helper.to_array(graph.graph.initializer[0]), WEIGHT)


def test_single_floats_stay_as_they_are(tmp_path):
    graph = read_onnx(saved(tmp_path, network(TensorProto.FLOAT)))
    assert list_other_types(graph) == []
    assert to_single(graph, "net.onnx") is graph


def test_doubles_that_are_no_single_floats(tmp_path):
    third = np.full((4, 3, 1, 1), 1 / 3)
    with pytest.raises(ConversionFailed, match="in double precision") as caught:
        read_network(saved(tmp_path, network(DOUBLE, weight=third)))
    assert "network.float()" in caught.value.remedy


def test_a_constant_in_double_within_single_floats_stays(tmp_path):
    third = np.full((4, 3, 1, 1), 1 / 3)
    file = saved(tmp_path, network(DOUBLE, outer=TensorProto.FLOAT, weight=third))
    assert list_other_types(read_network(file)) == ["double"]


def test_a_tensor_whose_bytes_do_not_fit(tmp_path):
    model = network(HALF)
    weight = numpy_helper.from_array(WEIGHT, "w")
    weight.dims[0] = 3
    model.graph.initializer[0].CopyFrom(weight)
    with pytest.raises(ConversionFailed, match="breaks the ONNX specification"):
        read_network(saved(tmp_path, model))


def test_types_within_branches(tmp_path):
    branch = network(HALF).graph
    del branch.input[:]
    branch.node[0].input[0] = "z"
    yes = numpy_helper.from_array(np.array(True), "yes")
    node = helper.make_node("If", ["yes"], ["out"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"]), node],
        "g",
        [helper.make_tensor_value_info("x", HALF, [1, *SHAPE])],
        [helper.make_tensor_value_info("out", HALF, [1, 4, 6, 6])],
        [yes],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    single = read_network(saved(tmp_path, model))
    session = onnxruntime.InferenceSession(
        single.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(0).standard_normal((1, *SHAPE)).astype(np.float32)
    assert np.allclose(session.run(None, {"x": x})[0][0], expected(x[0]), atol=1e-5)


def one_node(kind, inputs, domain=""):
    node = helper.make_node(kind, ["x", *inputs], ["y"], name="/first", domain=domain)
    weights = [numpy_helper.from_array(np.float32(0.1), name) for name in inputs]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *SHAPE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, *SHAPE])],
        weights,
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_a_quantised_network(tmp_path):
    file = saved(tmp_path, one_node("QuantizeLinear", ["scale"]))
    with pytest.raises(ConversionFailed, match="is quantised: 1 QuantizeLinear") as caught:
        load_onnx(file, [SHAPE])
    assert "before quantisation" in caught.value.remedy


@pytest.mark.parametrize(
    ("domain", "remedy"), [("com.microsoft", "onnxruntime's optimiser"), ("own", "ONNX alone")]
)
def test_operations_that_onnx_has_not(tmp_path, domain, remedy):
    file = saved(tmp_path, one_node("QuickGelu", [], domain))
    with pytest.raises(ConversionFailed, match=rf"{domain}\.QuickGelu") as caught:
        require_standard(read_network(file), "net.onnx")
    assert "'/first'" in caught.value.evidence
    assert remedy in caught.value.remedy
    assert "--cut x" in caught.value.remedy
