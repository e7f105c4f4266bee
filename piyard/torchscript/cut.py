"""The part of a program that computes some of its values."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from piyard.errors import ConversionFailed, nearest
from piyard.torchscript.read import SAVE, Program, frozen, silent
from piyard.torchscript.values import Value, values


def cut(program: Program, names: Sequence[str]) -> Program:
    """A program whose outputs are these values, in that order, without what they do not need.

    Names are those of ``values``. Raises ``ConversionFailed`` for a name there is not.
    """
    with silent():
        frozen_program = frozen(program)
        by_name = values(frozen_program)
        _require(names, by_name)
        graph = frozen_program.graph.copy()
        debug_names = [value.debugName() for value in _results(frozen_program.graph)]
        copied = dict(zip(debug_names, _results(graph), strict=True))
        _end(graph, [copied[by_name[name].debugName()] for name in names])
        return _program(graph)


def _require(names: Sequence[str], by_name: dict[str, Value]) -> None:
    for name in names:
        if name not in by_name:
            raise ConversionFailed(
                f"the TorchScript program has no convolution '{name}'{nearest(name, by_name)}",
                remedy="correct `cut` in the model's YAML",
            )


def _results(graph: Any) -> list[Value]:
    """All that is computed, in order: a copy has it in the same one, under names of its own."""
    return [value for node in graph.nodes() for value in node.outputs()]


def _end(graph: Any, outputs: Sequence[Value]) -> None:
    for _ in list(graph.outputs()):
        graph.eraseOutput(0)
    graph.registerOutput(outputs[0] if len(outputs) == 1 else _tuple(graph, outputs))


def _tuple(graph: Any, outputs: Sequence[Value]) -> Value:
    import torch

    tuple_type: Any = torch.TupleType
    node = graph.insertNode(graph.create("prim::TupleConstruct", list(outputs), 1))
    node.output().setType(tuple_type([value.type() for value in outputs]))
    return node.output()


def _program(graph: Any) -> Program:
    """Saving it leaves out what no output needs."""
    import torch

    _leave_module(graph)
    unit: Any = torch.CompilationUnit()
    load: Any = torch.jit.load
    saved = unit.create_function("forward", graph).save_to_buffer()
    return load(io.BytesIO(saved)).eval()


def _leave_module(graph: Any) -> None:
    """The first input is the module itself, of which freezing leaves what changes as it runs."""
    if next(graph.inputs()).uses():
        raise ConversionFailed(
            "the TorchScript program keeps something from one inference to the next",
            remedy=f"save what each inference does: {SAVE}",
        )
    graph.eraseInput(0)
