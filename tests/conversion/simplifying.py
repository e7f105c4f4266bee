"""Small ONNX graphs, simplified and compared with themselves by onnxruntime."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from piyard.convert.onnx.edit import infer_shapes
from piyard.convert.onnx.fold import simplify_graph
from piyard.convert.onnx.graph import tensor_shapes
from piyard.convert.onnx.layout import MAX_AXES

MOVING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}


def graph(nodes, shape, constants=(), *, outputs=("y",), opset=17):
    """A graph of one input ``x``; constants are by name."""
    built = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in dict(constants).items()],
    )
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def compute(model, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})


def require_same(model, shape, *, within=0.0):
    """The simplified graph, of which nothing but a reshape has a tensor that ncnn has not."""
    simple = simplify_graph(model)
    for mine, theirs in zip(compute(simple, shape), compute(model, shape), strict=True):
        assert mine.shape == theirs.shape
        assert np.allclose(mine, theirs, rtol=within, atol=within)
    shapes = tensor_shapes(infer_shapes(simple))
    for node in simple.graph.node:
        for name in node.output:
            fits = shapes[name][:1] == [1] and len(shapes[name]) <= MAX_AXES + 1
            assert fits or node.op_type in MOVING, (node.op_type, shapes[name])
    return simple


def kinds(model):
    return {node.op_type for node in model.graph.node}


def integers(*values):
    return np.array(values, np.int64)
