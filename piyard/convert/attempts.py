"""A network → ncnn as it is, else written anew: the first way whose result computes the same.

pnnx reads most networks as they are exported. What it leaves, crashes over or misreads goes by
ONNX, constants computed and written in tensors of so few axes as ncnn has (see ``onnx.fold``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.convert.difference import compare_outputs, worst_difference
from piyard.convert.lint import LayerNames, UnsupportedLayers
from piyard.convert.lowering import (
    ProgramWriter,
    Shapes,
    export_network,
    kept_files,
    lower_program,
    save_graph,
    save_script,
    trace_network,
)
from piyard.convert.misreadings import Misread
from piyard.convert.ncnn_net import net_function
from piyard.convert.onnx.file import read_onnx
from piyard.convert.onnx.fold import simplify_graph
from piyard.convert.onnx.graph import set_input_shapes
from piyard.convert.param import Layer
from piyard.core import console
from piyard.core.errors import ConversionFailed
from piyard.core.files import move_file, scratch_folder
from piyard.core.sandbox.launch import SandboxNeed
from piyard.models.synthetic import random_tensor

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


SAME_AGREEMENT = 0.9999
HALF_AGREEMENT = 0.99
"""Of the outputs, with fp32 and with fp16 weights: a misread operation is further off."""


ABSENT_KINDS = frozenset(
    {
        *("ArgMax", "ArgMin", "Compress", "CumSum", "Einsum", "GatherElements", "GatherND", "If"),
        *("Loop", "Multinomial", "NonMaxSuppression", "NonZero", "OneHot", "RoiAlign", "Scan"),
        *("ScatterElements", "ScatterND", "TopK", "Unique", "Where"),
    }
)
"""Operations of ONNX that ncnn lacks, over some of which pnnx crashes."""


class LoweringInputs(msgspec.Struct, frozen=True, kw_only=True):
    """A network, and what is known of it."""

    network: Any
    write: ProgramWriter
    shapes: Shapes
    """With batch."""
    others: Shapes = ()
    stem: str
    run: Callable[..., list[Floats]]
    """The original's outputs."""
    names: LayerNames = {}
    need: SandboxNeed = "preferred"
    chosen: list[ProgramWriter]
    """The way that was taken, once one was: fp32 and fp16 weights go the same."""


def lower_network(inputs: LoweringInputs, at: Path, *, half: bool) -> list[Layer]:
    """Write ncnn's files, and pnnx's own, into the folder (see ``lowering.lower_program``).

    Raises ``ConversionFailed`` when no way is left.
    """
    fallback = FALLBACK_WRITERS.get(inputs.write)
    if inputs.chosen or fallback is None or inputs.others:
        return _lower(inputs, (inputs.chosen or [inputs.write])[0], at, half=half)
    first = _attempt(inputs, inputs.write, at, half=half)
    if isinstance(first, list) and _computes_same(inputs, at, half=half):
        inputs.chosen.append(inputs.write)
        return first
    with scratch_folder("piyard-anew-") as aside:
        second = _attempt(inputs, fallback, aside, half=half)
        if isinstance(second, list) and (
            not isinstance(first, list) or _computes_same(inputs, aside, half=half)
        ):
            _replace_files(aside, at, inputs.stem)
            inputs.chosen.append(fallback)
            console.info("  written anew for ncnn: constants computed, in tensors of few axes")
            return second
    if isinstance(first, list):
        return first  # the proof says what differs
    if isinstance(second, UnsupportedLayers) and not isinstance(first, Misread):
        raise second
    raise first


def _attempt(
    inputs: LoweringInputs, write: ProgramWriter, at: Path, *, half: bool
) -> list[Layer] | ConversionFailed:
    try:
        return _lower(inputs, write, at, half=half)
    except ConversionFailed as error:
        return error


def _lower(inputs: LoweringInputs, write: ProgramWriter, at: Path, *, half: bool) -> list[Layer]:
    with scratch_folder("piyard-lower-") as place:
        program = write(inputs.network, inputs.shapes, inputs.others, place, inputs.stem)
        lower = partial(lower_program, program, inputs.shapes, at, half=half)
        try:
            return lower(others=inputs.others, names=inputs.names, need=inputs.need)
        except ConversionFailed as error:
            raise _name_nodes(error, program) from None


def _name_nodes(error: ConversionFailed, program: Path) -> ConversionFailed:
    """The error with the nodes of an ONNX graph in the place of the layers, where it has them."""
    import onnx

    kinds = ABSENT_KINDS | (error.kinds if isinstance(error, UnsupportedLayers) else frozenset())
    nodes = onnx.load(program).graph.node if program.suffix == ".onnx" else []
    lacking = [node for node in nodes if node.op_type in kinds]
    if not lacking:
        return error
    evidence = "\n".join(f"{node.op_type} '{node.name or node.output[0]}'" for node in lacking[:8])
    return UnsupportedLayers(
        f"ncnn has no layer for {', '.join(sorted({node.op_type for node in lacking}))}",
        evidence=evidence,
        remedy=f"cut the net before it: --cut {lacking[0].input[0]}; or write that part with other "
        "operations",
        kinds=kinds,
    )


def _computes_same(inputs: LoweringInputs, at: Path, *, half: bool) -> bool:
    """Whether ncnn's outputs for one input are roughly the original's."""
    values = [random_tensor(shape[1:], number) for number, shape in enumerate(inputs.shapes, 1)]
    expected, computed = inputs.run(*values), net_function(at, inputs.stem)(*values)
    if [array.size for array in expected] != [array.size for array in computed]:
        return False
    pairs = zip(expected, computed, strict=True)
    figures = [worst_difference([compare_outputs(*pair)]) for pair in pairs]
    enough = HALF_AGREEMENT if half else SAME_AGREEMENT
    return all(each.agreement >= enough for each in figures)


def _replace_files(aside: Path, at: Path, stem: str) -> None:
    for name in kept_files(stem):
        (at / name).unlink(missing_ok=True)
        move_file(aside / name, at / name)


def save_simplified(graph: Any, shapes: Shapes, others: Shapes, folder: Path, stem: str) -> Path:
    """An ONNX graph written anew."""
    return save_graph(simplify_graph(graph), shapes, others, folder, stem)


def save_exported_script(
    program: Any, shapes: Shapes, others: Shapes, folder: Path, stem: str
) -> Path:
    """A program that a file holds, exported to ONNX where it runs, and written anew."""
    file = folder / f"{stem}-exported.onnx"
    file.write_bytes(program.export(shapes))
    return _save_exported(file, shapes, others, folder, stem)


def export_simplified(
    network: Any, shapes: Shapes, others: Shapes, folder: Path, stem: str
) -> Path:
    """A network exported to ONNX, and written anew."""
    file = export_network(network, shapes, others, folder, f"{stem}-exported")
    return _save_exported(file, shapes, others, folder, stem)


def _save_exported(file: Path, shapes: Shapes, others: Shapes, folder: Path, stem: str) -> Path:
    graph = set_input_shapes(read_onnx(file), shapes)
    return save_simplified(graph, shapes, others, folder, stem)


FALLBACK_WRITERS: Mapping[ProgramWriter, ProgramWriter] = {
    save_graph: save_simplified,
    save_script: save_exported_script,
    trace_network: export_simplified,
}
"""How a network is written → how it is written anew."""
