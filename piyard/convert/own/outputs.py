"""The outputs of a network file: their names, their shapes, and what they end in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard.convert.ncnn_net import load_net_files, output_blobs, run_net
from piyard.convert.onnx_reference import load_onnx
from piyard.convert.output_kinds import layer_output_kind, output_kind
from piyard.convert.own.graph_view import GraphView, view_graph
from piyard.convert.param import read_param
from piyard.vision.tasks.classify import OutputKind

SHOWN_OUTPUTS = 4


class NetworkOutput(msgspec.Struct, frozen=True, kw_only=True):
    """An output of a file."""

    name: str
    shape: tuple[int, ...]
    """Without the batch; empty where it is not known."""
    ends: OutputKind = "logits"

    @property
    def text(self) -> str:
        """``depth (1x64x64)``."""
        return f"{self.name} ({'x'.join(map(str, self.shape)) or '?'})"

    @property
    def map_size(self) -> tuple[int, ...]:
        """Rows and columns of a map; nothing of a vector."""
        is_map = len(self.shape) in {2, 3} and min(self.shape[-2:]) > 1
        return self.shape[-2:] if is_map else ()

    @property
    def channels(self) -> int:
        """How many maps there are."""
        return self.shape[0] if len(self.shape) == 3 else 1


def list_outputs(
    file: Path, network: str, inputs: Sequence[Sequence[int]], cut: Sequence[str] = ()
) -> list[NetworkOutput]:
    """The outputs of a file, or the tensors of ``cut``, for inputs of these shapes.

    A program is run once, and a graph whose shapes do not follow without running it. Raises
    ``ConversionFailed`` for a file that cannot be read, or does not work at that size.
    """
    if network == "ncnn":
        return _pair_outputs(file, inputs[0])
    view = view_graph(file, network, inputs[0])
    if view is None:
        return []
    names = list(cut) or view.outputs
    shapes = [tuple(view.shapes(names).get(name, ())[1:]) for name in names]
    if network == "onnx" and not all(shape and all(shape) for shape in shapes):
        shapes = _computed_shapes(file, inputs, cut)
    numbered = [f"out{number}" for number in range(len(names))]
    called = names if network == "onnx" else ([] if cut else view.keys) or numbered
    return [
        NetworkOutput(name=called[at], shape=shapes[at], ends=output_kind(view.steps, name))
        for at, name in enumerate(names)
    ]


def find_scores(file: Path, network: str, size: Sequence[int]) -> list[str]:
    """Where a graph that ends in the number of the largest class is cut: at the classes' scores."""
    view = view_graph(file, network, size) if network == "onnx" else None
    if view is None:
        return []
    sources = [_scores_before(view, name) for name in view.outputs]
    return sources if sources != view.outputs else []


def _scores_before(view: GraphView, output: str) -> str:
    """The tensor whose largest class the output is; the output itself where it is none."""
    name = output
    while (step := view.steps.get(name)) is not None and step.kind in {"passing", "reshape"}:
        name = step.inputs[0]
    return step.inputs[0] if step is not None and step.kind == "argmax" else output


def _computed_shapes(
    file: Path, inputs: Sequence[Sequence[int]], cut: Sequence[str]
) -> list[tuple[int, ...]]:
    import numpy as np

    shapes = [tuple(shape) for shape in inputs]
    original = load_onnx(file, shapes, cut=cut)
    return [output.shape for output in original.run(*(np.zeros(s, np.float32) for s in shapes))]


def _pair_outputs(file: Path, size: Sequence[int]) -> list[NetworkOutput]:
    import numpy as np

    layers = read_param(file)
    results = run_net(load_net_files(file, file.with_suffix(".bin")), np.zeros(size, np.float32))
    return [
        NetworkOutput(
            name=name, shape=tuple(results[name].shape), ends=layer_output_kind(layers, name)
        )
        for name in output_blobs(layers)
    ]


def name_outputs(outputs: Sequence[NetworkOutput]) -> str:
    """The first of them for people, each with its shape."""
    more = len(outputs) - SHOWN_OUTPUTS
    named = ", ".join(each.text for each in outputs[:SHOWN_OUTPUTS])
    return named + (f" and {more} more" if more > 0 else "")
