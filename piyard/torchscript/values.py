"""The values of a program that can be its outputs, by names that people know.

torch numbers what a program computes, anew with each version. A convolution is called as in the
original, by the path of its module, which freezing keeps in the names of its weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from piyard.torchscript.read import Program

Value = Any
"""A ``torch._C.Value``."""
CONVOLUTIONS = frozenset({"aten::_convolution", "aten::convolution", "aten::conv2d"})
JOINED = frozenset({"prim::TupleConstruct", "prim::ListConstruct"})
OWNER, WEIGHT = "self.", ".weight"
UNNAMED = "conv"


def values(program: Program) -> dict[str, Value]:
    """Name → value of a frozen program: each convolution's result, and its outputs.

    An output that no convolution makes is ``out`` and its number, from 0.

    A convolution that works several times is ``path``, ``path:2`` and so on; one without a name,
    of a program that was frozen before it was saved, is ``conv`` and the number of those before it.
    """
    by_name: dict[str, Value] = {}
    convolutions = [node for node in program.graph.nodes() if node.kind() in CONVOLUTIONS]
    for number, node in enumerate(convolutions):
        by_name[_new(_path(node) or f"{UNNAMED}{number}", by_name)] = node.output()
    listed = {value.debugName() for value in by_name.values()}
    for number, value in enumerate(outputs(program)):
        if value.debugName() not in listed:
            by_name[_new(f"out{number}", by_name)] = value
    return by_name


def outputs(program: Program) -> list[Value]:
    """What the program returns, tuples and lists taken apart."""
    return [part for value in program.graph.outputs() for part in _apart(value)]


def _apart(value: Value) -> Iterator[Value]:
    if value.node().kind() in JOINED:
        for element in value.node().inputs():
            yield from _apart(element)
    else:
        yield value


def _path(convolution: Any) -> str:
    """The module's, as ``model.22.cv2.0.2``; nothing where the weights have no name."""
    weight = list(convolution.inputs())[1].debugName()
    if not (weight.startswith(OWNER) and weight.endswith(WEIGHT)):
        return ""
    return str(weight[len(OWNER) : -len(WEIGHT)])


def _new(name: str, taken: dict[str, Value]) -> str:
    again, count = name, 1
    while again in taken:
        count += 1
        again = f"{name}:{count}"
    return again
