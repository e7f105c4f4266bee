"""A program's graph as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piyard.torchscript.cut import cut
from piyard.torchscript.messages import Description, Node
from piyard.torchscript.read import Program, frozen, running
from piyard.torchscript.values import outputs, values


def describe(program: Program) -> Description:
    """What makes what, from what, by the names at which the program can be cut.

    A value that has no such name stands under one of its own, which begins with ``%``.
    """
    frozen_program = frozen(program)
    names = {value.debugName(): name for name, value in values(frozen_program).items()}

    def name_of(value: Any) -> str:
        return names.get(value.debugName(), f"%{value.debugName()}")

    nodes = [
        Node(name_of(value), node.kind(), [name_of(source) for source in node.inputs()])
        for node in frozen_program.graph.nodes()
        for value in node.outputs()
    ]
    return Description(
        [name_of(value) for value in outputs(frozen_program)], nodes, list(names.values())
    )


def shapes(program: Program, names: Sequence[str], shape: Sequence[int]) -> list[tuple[int, ...]]:
    """The shapes that come out for an input (channels, rows, columns): none is declared."""
    import torch

    part = cut(program, names)
    with torch.no_grad(), running("the program", [shape]):
        output = part(torch.zeros(1, *shape))
    tensors = output if isinstance(output, tuple) else (output,)
    return [tuple(tensor.shape) for tensor in tensors]
