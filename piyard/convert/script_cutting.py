"""The values of a TorchScript program: named, described, and what it is cut to."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from piyard.convert.script_messages import Description, Node
from piyard.convert.torchscript import (
    SAVE_REMEDY,
    ScriptProgram,
    freeze_script,
    script_errors,
    torch_warnings_off,
)
from piyard.core.errors import ConversionFailed, did_you_mean

if TYPE_CHECKING:
    pass


ScriptValue = Any
"""A ``torch._C.Value``."""
CONVOLUTIONS = frozenset({"aten::_convolution", "aten::convolution", "aten::conv2d"})
TUPLE_OPERATIONS = frozenset({"prim::TupleConstruct", "prim::ListConstruct"})
DICT_OPERATION = "prim::DictConstruct"
OWNER, WEIGHT = "self.", ".weight"
UNNAMED_CONV = "conv"


def script_values(program: ScriptProgram) -> dict[str, ScriptValue]:
    """Name → value of a frozen program: each convolution's result, and its outputs.

    An output that no convolution makes is its key, of a dictionary, or ``out`` and its number, from
    0.

    A convolution that works several times is ``path``, ``path:2`` and so on; one without a name,
    of a program that was frozen before it was saved, is ``conv`` and the number of those before it.
    """
    by_name: dict[str, ScriptValue] = {}
    convolutions = [node for node in program.graph.nodes() if node.kind() in CONVOLUTIONS]
    for number, node in enumerate(convolutions):
        by_name[_unique_name(_module_path(node) or f"{UNNAMED_CONV}{number}", by_name)] = (
            node.output()
        )
    listed = {value.debugName() for value in by_name.values()}
    keys = script_keys(program)
    for number, value in enumerate(script_outputs(program)):
        if value.debugName() not in listed:
            by_name[_unique_name(keys[number] if keys else f"out{number}", by_name)] = value
    return by_name


def script_outputs(program: ScriptProgram) -> list[ScriptValue]:
    """What the program returns, tuples, lists and dictionaries taken apart."""
    return [part for value in program.graph.outputs() for part in _flatten_value(value)]


def _flatten_value(value: ScriptValue) -> Iterator[ScriptValue]:
    if value.node().kind() in TUPLE_OPERATIONS:
        for element in value.node().inputs():
            yield from _flatten_value(element)
    elif value.node().kind() == DICT_OPERATION:
        for element in list(value.node().inputs())[1::2]:
            yield from _flatten_value(element)
    else:
        yield value


def script_keys(program: ScriptProgram) -> list[str]:
    """The keys of a frozen program that returns a dictionary of tensors; else nothing."""
    outputs = [value.node() for value in program.graph.outputs()]
    if [node.kind() for node in outputs] != [DICT_OPERATION]:
        return []
    inputs = list(outputs[0].inputs())
    flat = all(value.node().kind() not in TUPLE_OPERATIONS for value in inputs[1::2])
    return [str(key.toIValue()) for key in inputs[::2]] if flat else []


def unwrap_script(program: ScriptProgram) -> tuple[ScriptProgram, list[str]]:
    """A program that returns tensors, and the keys that they have in the dictionary it returned.

    One that returns none stays as it is.
    """
    with torch_warnings_off():
        frozen_program = freeze_script(program)
        keys = script_keys(frozen_program)
        if not keys:
            _require_no_dictionary(frozen_program)
            return program, []
        return _with_outputs(frozen_program, script_outputs(frozen_program)), keys


def _require_no_dictionary(frozen_program: ScriptProgram) -> None:
    kinds = [value.type().kind() for value in frozen_program.graph.outputs()]
    if "DictType" in kinds:
        raise ConversionFailed(
            "the TorchScript program fills a dictionary as it runs, as torch.jit.script leaves it",
            remedy="trace it: torch.jit.trace(network, example, strict=False).save(file)",
        )


def _module_path(convolution: Any) -> str:
    """The module's, as ``model.22.cv2.0.2``; nothing where the weights have no name."""
    weight = list(convolution.inputs())[1].debugName()
    if not (weight.startswith(OWNER) and weight.endswith(WEIGHT)):
        return ""
    return str(weight[len(OWNER) : -len(WEIGHT)])


def _unique_name(name: str, taken: dict[str, ScriptValue]) -> str:
    again, count = name, 1
    while again in taken:
        count += 1
        again = f"{name}:{count}"
    return again


def cut_script(program: ScriptProgram, names: Sequence[str]) -> ScriptProgram:
    """A program whose outputs are these values, in that order, without what they do not need.

    Names are those of ``values``. Raises ``ConversionFailed`` for a name there is not.
    """
    with torch_warnings_off():
        frozen_program = freeze_script(program)
        by_name = script_values(frozen_program)
        _require_values(names, by_name)
        return _with_outputs(frozen_program, [by_name[name] for name in names])


def _with_outputs(frozen_program: ScriptProgram, values: Sequence[ScriptValue]) -> ScriptProgram:
    graph = frozen_program.graph.copy()
    debug_names = [value.debugName() for value in _all_values(frozen_program.graph)]
    copied = dict(zip(debug_names, _all_values(graph), strict=True))
    _set_outputs(graph, [copied[value.debugName()] for value in values])
    return _compile_graph(graph)


def _require_values(names: Sequence[str], by_name: dict[str, ScriptValue]) -> None:
    for name in names:
        if name not in by_name:
            raise ConversionFailed(
                f"the TorchScript program has no convolution '{name}'{did_you_mean(name, by_name)}",
                remedy="correct `cut` in the model's YAML",
            )


def _all_values(graph: Any) -> list[ScriptValue]:
    """All that is computed, in order: a copy has it in the same one, under names of its own."""
    return [value for node in graph.nodes() for value in node.outputs()]


def _set_outputs(graph: Any, outputs: Sequence[ScriptValue]) -> None:
    for _ in list(graph.outputs()):
        graph.eraseOutput(0)
    graph.registerOutput(outputs[0] if len(outputs) == 1 else _insert_tuple(graph, outputs))


def _insert_tuple(graph: Any, outputs: Sequence[ScriptValue]) -> ScriptValue:
    import torch

    tuple_type: Any = torch.TupleType
    node = graph.insertNode(graph.create("prim::TupleConstruct", list(outputs), 1))
    node.output().setType(tuple_type([value.type() for value in outputs]))
    return node.output()


def _compile_graph(graph: Any) -> ScriptProgram:
    """Saving it leaves out what no output needs."""
    import torch

    _drop_module_input(graph)
    unit: Any = torch.CompilationUnit()
    load: Any = torch.jit.load
    saved = unit.create_function("forward", graph).save_to_buffer()
    return load(io.BytesIO(saved)).eval()


def _drop_module_input(graph: Any) -> None:
    """The first input is the module itself, of which freezing leaves what changes as it runs."""
    if next(graph.inputs()).uses():
        raise ConversionFailed(
            "the TorchScript program keeps something from one inference to the next",
            remedy=f"save what each inference does: {SAVE_REMEDY}",
        )
    graph.eraseInput(0)


def describe_script(program: ScriptProgram) -> Description:
    """What makes what, from what, by the names at which the program can be cut.

    A value that has no such name stands under one of its own, which begins with ``%``.
    """
    frozen_program = freeze_script(program)
    names = {value.debugName(): name for name, value in script_values(frozen_program).items()}

    def name_of(value: Any) -> str:
        return names.get(value.debugName(), f"%{value.debugName()}")

    nodes = [
        Node(name_of(value), node.kind(), [name_of(source) for source in node.inputs()])
        for node in frozen_program.graph.nodes()
        for value in node.outputs()
    ]
    return Description(
        [name_of(value) for value in script_outputs(frozen_program)], nodes, list(names.values())
    )


def script_shapes(
    program: ScriptProgram, names: Sequence[str], shape: Sequence[int]
) -> list[tuple[int, ...]]:
    """The shapes that come out for an input (channels, rows, columns): none is declared."""
    import torch

    part = cut_script(program, names)
    with torch.no_grad(), script_errors("the program", [shape]):
        output = part(torch.zeros(1, *shape))
    tensors = output if isinstance(output, tuple) else (output,)
    return [tuple(tensor.shape) for tensor in tensors]
