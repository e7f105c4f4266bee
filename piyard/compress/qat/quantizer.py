"""Which tensors of a network ncnn has in int8, as torchao's pt2e takes it.

ncnn quantises what a convolution or an inner product reads, multiplies integers, and goes on with
floats; a sum, a concatenation or a pooling is computed in floats. Where only convolutions read a
convolution's result it is handed on as integers, which by the same scale is the same.

torch and torchao are imported with this module, so whoever needs it imports it late.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    QuantizationSpecBase,
    Quantizer,
    SharedQuantizationSpec,
)

from piyard.compress.qat.fake_int8 import LARGEST, Int8Inputs, Int8Weights

ANNOTATION = "quantization_annotation"
CONVOLUTIONS = frozenset({torch.ops.aten.conv2d.default, torch.ops.aten.conv2d.padding})
LINEAR = torch.ops.aten.linear.default
INNER_PRODUCT_SIDES = 2
"""Sides of a linear layer's input that ncnn computes as InnerProduct; with more it is a Gemm, whose
scales are found anew for each input."""


class NcnnQuantizer(Quantizer):  # type: ignore[misc]
    """Marks the inputs and weights of convolutions and inner products."""

    def annotate(self, model: GraphModule) -> GraphModule:
        """See torchao's ``Quantizer``. Layers that read the same tensor share its scale."""
        first: dict[Node, Node] = {}
        for node in model.graph.nodes:
            if not is_int8_layer(node):
                continue
            values, weights = node.args[0], node.args[1]
            node.meta[ANNOTATION] = QuantizationAnnotation(
                input_qspec_map={values: _input_spec(node, first), weights: _spec(Int8Weights)}
            )
        return model

    def validate(self, model: GraphModule) -> None:
        """Nothing that annotate could have done wrong."""


def is_int8_layer(node: Node) -> bool:
    """Whether ncnn has the operation in int8 with scales that do not change."""
    if node.op != "call_function":
        return False
    if node.target in CONVOLUTIONS:
        return True
    values = node.args[0]
    if node.target is not LINEAR or not isinstance(values, Node):
        return False
    return len(values.meta["val"].shape) == INNER_PRODUCT_SIDES


def _input_spec(node: Node, first: dict[Node, Node]) -> QuantizationSpecBase:
    values: Any = node.args[0]
    reader = first.setdefault(values, node)
    return _spec(Int8Inputs) if reader is node else SharedQuantizationSpec((values, reader))


def _spec(fake: type[Int8Inputs | Int8Weights]) -> QuantizationSpec:
    return QuantizationSpec(
        dtype=torch.int8,
        observer_or_fake_quant_ctr=fake,
        quant_min=-LARGEST,
        quant_max=LARGEST,
        qscheme=torch.per_tensor_symmetric,
    )
