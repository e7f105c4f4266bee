"""An ONNX file as its authors publish it, computed by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import onnxgraph, scratch
from piyard.conversion import lowering, programs
from piyard.conversion.origins import Names
from piyard.conversion.param import Layer
from piyard.errors import ConversionFailed
from piyard.onnxgraph.read import Graph
from piyard.originals.original import Size
from piyard.torch_shim import THREADS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

Shape = tuple[int, ...]


class OnnxFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file's graph, cut where the model's YAML says, else to its own outputs."""

    graph: Graph
    shapes: list[Shape]
    """(channels, rows, columns) of each input."""
    others: list[Shape] = []
    """Shapes it must be able to take too."""
    stem: str = lowering.STEM
    session: Any
    write: programs.Write = programs.save_graph
    kind: str = "onnxruntime"
    is_program: bool = True

    def run(self, *inputs: Array) -> list[Array]:
        """onnxruntime's outputs for one input each."""
        fed = _fed(self.session, inputs)
        with _asked():
            return [single[0] for single in self.session.run(None, fed)]

    def tensors(self, *inputs: Array) -> Iterator[tuple[str, Array]]:
        """Every tensor of the graph by the name the file gives it."""
        names = onnxgraph.floats(self.graph)
        session = _session(onnxgraph.cut(self.graph, names))
        yield from zip(names, session.run(names, _fed(session, inputs)), strict=True)

    def lower(self, at: Path, *, half: bool) -> list[Layer]:
        """See ``Original``."""
        shapes, others = _with_batch(self.shapes), _with_batch(self.others)
        with scratch.folder("piyard-lower-") as place:
            program = self.write(self.graph, shapes, others, place, self.stem)
            return lowering.lower(program, shapes, at, half=half, others=others, names=self.names())

    def names(self) -> Names:
        """The file's names of its nodes with weights, which pnnx does not keep."""
        return onnxgraph.names(self.graph)

    def output_names(self, count: int) -> list[str]:
        """The graph's names of them."""
        return [value.name for value in self.graph.graph.output][:count]

    def size(self) -> Size | None:
        """None: it is counted in ncnn's graph."""
        return None


def load(
    file: Path,
    shapes: Sequence[Shape] = (),
    *,
    others: Sequence[Shape] = (),
    cut: Sequence[str] = (),
    stem: str = lowering.STEM,
    write: programs.Write = programs.save_graph,
) -> OnnxFile:
    """The file's network for inputs of these shapes. Raises ``ConversionFailed``."""
    graph = onnxgraph.cut(onnxgraph.renewed(onnxgraph.read(file)), cut)
    graph = onnxgraph.freed(graph) if others else onnxgraph.sized(graph, _with_batch(shapes))
    session = _session(graph)
    return OnnxFile(
        graph=graph,
        shapes=list(shapes),
        others=list(others),
        stem=stem,
        session=session,
        write=write,
    )


def _with_batch(shapes: Sequence[Shape]) -> list[Shape]:
    return [(1, *shape) for shape in shapes]


def _fed(session: Any, inputs: Sequence[Array]) -> dict[str, Array]:
    import numpy as np

    names = [entry.name for entry in session.get_inputs()]
    arrays = [np.ascontiguousarray(values)[None] for values in inputs]
    return dict(zip(names, arrays, strict=True))


def _session(graph: Graph) -> Any:
    """onnxruntime on the CPU: the operations of the file as they are, in one order of adding."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    with _asked():
        return onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )


@contextmanager
def _asked() -> Iterator[None]:
    """onnxruntime's error as ``ConversionFailed``."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # its classes derive from nothing else
        raise ConversionFailed(
            "onnxruntime cannot compute the ONNX graph",
            evidence=str(error)[:600],
            remedy="correct `input` and `cut` in the model's YAML",
        ) from None
