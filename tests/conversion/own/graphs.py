"""Small classifiers as ONNX files, which say of themselves what a test has them say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

STEEP = 40.0
ENDINGS: Mapping[str, Sequence[tuple[str, dict[str, Any]]]] = {
    "logits": [],
    "softmax": [("Softmax", {"axis": 1})],
    "sigmoid": [("Sigmoid", {})],
    "log_softmax": [("LogSoftmax", {"axis": 1})],
    "log_of_softmax": [("Softmax", {"axis": 1}), ("Log", {})],
    "reshaped": [("Softmax", {"axis": 1}), ("Identity", {})],
    "shares": [("Softmax", {"axis": 1}), ("Relu", {})],
}
"""What comes after the logits."""


def dark_or_bright(classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases: class 1 (or the only one) where the mean of an input is above 0.5."""
    steep = np.float32(STEEP)
    weights = np.zeros((classes, 3), np.float32)
    biases = np.zeros(classes, np.float32)
    weights[-1], biases[-1] = steep / 3, -steep / 2
    if classes > 1:
        weights[0], biases[0] = -steep / 3, steep / 2
    return weights, biases


def classifier(
    file: Path,
    *,
    heads: Mapping[str, int] | None = None,
    ending: str = "logits",
    shape: Sequence[int | str] = (1, 3, 32, 32),
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Mean of each channel → logits → what the ending makes of them, a head an output."""
    nodes = [helper.make_node("GlobalAveragePool", ["images"], ["mean"])]
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"], axis=1))
    tensors, outputs = [], []
    for name, classes in (heads or {"scores": 2}).items():
        weights, biases = dark_or_bright(classes)
        tensors.append(numpy_helper.from_array(weights, f"{name}.weight"))
        tensors.append(numpy_helper.from_array(biases, f"{name}.bias"))
        steps = [("Gemm", {"transB": 1}), *ENDINGS[ending]]
        result = [f"{name}.{number}" for number in range(len(steps) - 1)] + [name]
        supplied = [["flat", f"{name}.weight", f"{name}.bias"], *([each] for each in result)]
        for (kind, how), inputs, output in zip(steps, supplied, result, strict=False):
            nodes.append(helper.make_node(kind, inputs, [output], **how))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, classes]))
    fed = helper.make_tensor_value_info("images", TensorProto.FLOAT, list(shape))
    graph = helper.make_graph(nodes, "net", [fed], outputs, tensors)
    opsets = [helper.make_opsetid("", 13)]
    written = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    helper.set_model_props(written, dict(notes or {}))
    save_model(written, file)
    return file


def ultralytics(**more: str) -> dict[str, str]:
    """The notes of an exported classifier."""
    return {
        "author": "Ultralytics",
        "task": "classify",
        "names": "{0: 'dark', 1: 'bright'}",
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
        "imgsz": "[32, 32]",
        **more,
    }
