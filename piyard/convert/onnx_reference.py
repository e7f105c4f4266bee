"""An ONNX file as a reference: onnxruntime computes it, and pnnx reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piyard.convert.attempts import lower_network
from piyard.convert.lint import LayerNames
from piyard.convert.lowering import ProgramWriter, save_graph
from piyard.convert.onnx.graph import (
    OnnxGraph,
    float_tensors,
    free_input_shapes,
    set_input_shapes,
    weight_node_names,
)
from piyard.convert.onnx.inputs import turn_inputs
from piyard.convert.onnx.precision import read_network, require_standard
from piyard.convert.onnx.rewrite import cut_graph
from piyard.convert.param import MAIN_STEM, Layer
from piyard.convert.reference import ProgramReference, ReferenceSize, batch_shapes
from piyard.core.errors import ConversionFailed
from piyard.models.networks import THREADS

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


InputShape = tuple[int, ...]
ABSENT_SIGN = "NOT_IMPLEMENTED"
"""What onnxruntime says of an operation that it lacks for the types of its inputs."""
ABSENT_REMEDY = (
    "export it with torch.onnx.export(..., opset_version=17), or cut the net before that operation:"
    " --cut"
)
SIZE_REMEDY = (
    "name the size it was made for, `input` in its YAML or --input; many files work at one only"
)


class OnnxReference(ProgramReference, frozen=True, kw_only=True):
    """A file's graph, cut where the model's YAML says, else to its own outputs."""

    graph: OnnxGraph
    session: Any
    write: ProgramWriter = save_graph
    kind: str = "onnxruntime"

    def run(self, *inputs: Floats) -> list[Floats]:
        """onnxruntime's outputs for one input each."""
        fed = _session_inputs(self.session, inputs)
        with _onnx_errors():
            return [single[0] for single in self.session.run(None, fed)]

    def tensors(self, *inputs: Floats) -> Iterator[tuple[str, Floats]]:
        """Every tensor of the graph by the name the file gives it."""
        names = float_tensors(self.graph)
        session = _onnx_session(cut_graph(self.graph, names))
        yield from zip(names, session.run(names, _session_inputs(session, inputs)), strict=True)

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """See ``ReferenceModel``."""
        inputs = self.lowering_inputs(network=self.graph, run=self.run, names=self.names())
        return lower_network(inputs, at, half=half)

    def names(self) -> LayerNames:
        """The file's names of its nodes with weights, which pnnx does not keep."""
        return weight_node_names(self.graph)

    def output_names(self, count: int) -> list[str]:
        """The graph's names of them."""
        return [value.name for value in self.graph.graph.output][:count]

    def size(self) -> ReferenceSize | None:
        """None: it is counted in ncnn's graph."""
        return None


def load_onnx(
    file: Path,
    shapes: Sequence[InputShape] = (),
    *,
    others: Sequence[InputShape] = (),
    cut: Sequence[str] = (),
    stem: str = MAIN_STEM,
    write: ProgramWriter = save_graph,
) -> OnnxReference:
    """The file's network for inputs of these shapes. Raises ``ConversionFailed``."""
    graph = cut_graph(turn_inputs(read_network(file), shapes), cut)
    require_standard(graph, file.name)
    graph = free_input_shapes(graph) if others else set_input_shapes(graph, batch_shapes(shapes))
    session = _onnx_session(graph)
    return OnnxReference(
        graph=graph,
        shapes=list(shapes),
        others=list(others),
        stem=stem,
        session=session,
        write=write,
    )


def _session_inputs(session: Any, inputs: Sequence[Floats]) -> dict[str, Floats]:
    import numpy as np

    names = [entry.name for entry in session.get_inputs()]
    arrays = [np.ascontiguousarray(values)[None] for values in inputs]
    return dict(zip(names, arrays, strict=True))


def _onnx_session(graph: OnnxGraph) -> Any:
    """onnxruntime on the CPU: the operations of the file as they are, in one order of adding."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    with _onnx_errors():
        return onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )


@contextmanager
def _onnx_errors() -> Iterator[None]:
    """onnxruntime's error as ``ConversionFailed``."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # its classes derive from nothing else
        said = str(error)[:600]
        raise ConversionFailed(
            "onnxruntime cannot compute the ONNX graph",
            evidence=said,
            remedy=ABSENT_REMEDY if ABSENT_SIGN in said else SIZE_REMEDY,
        ) from None
