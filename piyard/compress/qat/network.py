"""A network with ncnn's int8 in its loop: its layers, and what they learn.

torch and torchao are imported with this module, so whoever needs it imports it late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch.fx import Node
from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e
from torchao.quantization.pt2e.utils import _fuse_conv_bn_

from piyard.compress.qat.fake_int8 import Int8Inputs, Int8Weights
from piyard.compress.qat.quantizer import NcnnQuantizer, is_int8_layer
from piyard.core.errors import WrongInput


class Int8Layer:
    """A convolution or an inner product of the network."""

    def __init__(
        self,
        weights: torch.nn.Parameter,
        bias: torch.nn.Parameter | None,
        inputs: Int8Inputs,
    ) -> None:
        self.weights, self.bias, self.inputs = weights, bias, inputs


class Int8Network(torch.nn.Module):
    """The network in evaluation mode, its norms in its convolutions, with int8 in floats."""

    def __init__(self, network: torch.nn.Module, shape: tuple[int, ...]) -> None:
        """``shape`` is (channels, rows, columns). Raises ``WrongInput`` for no layer of int8."""
        super().__init__()
        batch = torch.zeros(2, *shape)
        dynamic = ({0: torch.export.Dim.DYNAMIC},)
        # An exported graph would share its parameters with the network.
        own = deepcopy(network).eval()
        program = torch.export.export(own, (batch,), dynamic_shapes=dynamic)
        exported = program.module()
        _fuse_conv_bn_(exported)
        count = sum(is_int8_layer(node) for node in exported.graph.nodes)
        if not count:
            raise WrongInput(
                "the network has no convolution and no inner product, which ncnn has in int8",
                remedy="name another model",
            )
        self.graph = prepare_qat_pt2e(exported, NcnnQuantizer())
        self.layers = list(_find_layers(self.graph))

    def forward(self, inputs: torch.Tensor) -> Any:
        """The network's own outputs."""
        return self.graph(inputs)

    def train(self, mode: bool = True) -> Int8Network:  # noqa: FBT001, FBT002  # torch's own
        """Only noted: norms are in the weights, and an exported graph has no dropout."""
        self.training = mode
        return self

    def observe(self, batches: Iterable[torch.Tensor]) -> None:
        """Let each layer's limit be the largest number it reads in these, then compute int8."""
        with torch.no_grad():
            for inputs in batches:
                self.graph(inputs)
        self.start([float(layer.inputs.limit.detach()) for layer in self.layers])

    def start(self, limits: Sequence[float]) -> None:
        """Compute int8 from now on, with that limit of what each layer reads."""
        for layer, limit in zip(self.layers, limits, strict=True):
            layer.inputs.set_limit(limit)
        for module in self.graph.modules():
            if isinstance(module, Int8Weights):
                module.enable_fake_quant()


def _find_layers(graph: Any) -> Iterable[Int8Layer]:
    """In the order in which they are computed."""
    for node in graph.graph.nodes:
        if node.op == "call_function" and isinstance(node.args[0] if node.args else None, Node):
            modules = [_module_of(graph, source) for source in node.args[:2]]
            if isinstance(modules[0], Int8Inputs) and isinstance(modules[1], Int8Weights):
                yield Int8Layer(
                    _parameter(graph, node.args[1].args[0]),
                    _parameter(graph, node.args[2]) if _has_bias(node) else None,
                    modules[0],
                )


def _has_bias(node: Node) -> bool:
    return len(node.args) > 2 and node.args[2] is not None


def _module_of(graph: Any, node: Any) -> torch.nn.Module | None:
    is_module = isinstance(node, Node) and node.op == "call_module"
    return graph.get_submodule(node.target) if is_module else None


def _parameter(graph: Any, node: Any) -> torch.nn.Parameter:
    values: Any = graph
    for part in str(node.target).split("."):
        values = getattr(values, part)
    parameter: torch.nn.Parameter = values
    return parameter
