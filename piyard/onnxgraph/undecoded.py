"""Where a detector's graph ends and the decoding of its outputs begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from piyard.onnxgraph.read import Graph


def undecoded(graph: Graph, outputs: Sequence[str]) -> list[str]:
    """The results of the last convolutions before these outputs, as the outputs put them together.

    The convolution that weighs the distributions of a distribution focal loss head (Li and others
    2020) is decoding too.
    """
    makers = {name: node for node in graph.graph.node for name in node.output}
    found: list[str] = []
    seen: set[str] = set()
    ahead = list(reversed(outputs))
    while ahead:
        name = ahead.pop()
        node = makers.get(name)
        if name in seen or node is None or node.op_type == "Shape":
            continue
        seen.add(name)
        if node.op_type == "Conv" and not _weighs(node, makers):
            found.append(name)
        else:
            ahead += reversed(node.input)
    return found


def _weighs(convolution: Any, makers: Mapping[str, Any]) -> bool:
    """Whether it works on a softmax."""
    before = makers.get(convolution.input[0])
    while before is not None and before.op_type in {"Transpose", "Reshape"}:
        before = makers.get(before.input[0])
    return before is not None and before.op_type == "Softmax"
