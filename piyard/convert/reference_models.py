"""Which reference model a model's YAML means, and the routes by which it can go to ncnn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.convert.attempts import LoweringInputs, lower_network
from piyard.convert.lint import LayerNames
from piyard.convert.lowering import FILE_WRITERS, ROUTE_WRITERS, ProgramWriter, save_graph, trace_ir
from piyard.convert.ncnn_net import NcnnReference
from piyard.convert.onnx_graph import (
    OnnxGraph,
    float_tensors,
    free_input_shapes,
    set_input_shapes,
    weight_node_names,
)
from piyard.convert.onnx_inputs import turn_inputs
from piyard.convert.onnx_precision import read_network, require_standard
from piyard.convert.onnx_rewrite import cut_graph
from piyard.convert.param import MAIN_STEM, TEXT_STEM, Layer
from piyard.convert.reference import (
    LogProbabilities,
    ReferenceModel,
    ReferenceSize,
    ScriptReference,
    TorchReference,
)
from piyard.convert.script_program import SandboxedProgram
from piyard.convert.text_encoder import text_reference
from piyard.convert.variant_pair import VariantPair
from piyard.core.download import find_file, known_sha256
from piyard.core.errors import ConversionFailed, DownloadFailed, WrongInput, unknown_name
from piyard.language.clip_vocabulary import make_tokenizer_json, read_tokenizer_json
from piyard.models.definition import (
    Model,
    Part,
    Weights,
    label_list_path,
    load_model,
    read_labels,
)
from piyard.models.networks import THREADS, build_network
from piyard.models.variants import Variant
from piyard.models.weights import (
    RANDOM_WEIGHTS,
    ChosenWeights,
    choose_weights,
    fetch_weights,
    fit_variant,
    load_weights,
)

if TYPE_CHECKING:
    import torch

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


class OnnxReference(msgspec.Struct, frozen=True, kw_only=True):
    """A file's graph, cut where the model's YAML says, else to its own outputs."""

    graph: OnnxGraph
    shapes: list[InputShape]
    """(channels, rows, columns) of each input."""
    others: list[InputShape] = []
    """Shapes it must be able to take too."""
    stem: str = MAIN_STEM
    session: Any
    write: ProgramWriter = save_graph
    chosen: list[ProgramWriter] = []
    """See ``LoweringInputs``."""
    kind: str = "onnxruntime"
    is_program: bool = True

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
        inputs = LoweringInputs(
            network=self.graph,
            write=self.write,
            shapes=_with_batch(self.shapes),
            others=_with_batch(self.others),
            stem=self.stem,
            run=self.run,
            names=self.names(),
            chosen=self.chosen,
        )
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
    graph = free_input_shapes(graph) if others else set_input_shapes(graph, _with_batch(shapes))
    session = _onnx_session(graph)
    return OnnxReference(
        graph=graph,
        shapes=list(shapes),
        others=list(others),
        stem=stem,
        session=session,
        write=write,
    )


def _with_batch(shapes: Sequence[InputShape]) -> list[InputShape]:
    return [(1, *shape) for shape in shapes]


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


ROUTES = ("trace", "script", "onnx", "pnnx", "ncnn")
FILE_ROUTES = {"onnx": "onnx", "torchscript": "script", "ncnn": "ncnn"}
"""Values of ``network`` that mean: the file of weights is the network, and its route."""
BIN_PART: Part = "bin"
GRAPH_PART: Part = "graph"
HEAD_PART: Part = "head"
TOKENIZER_PART: Part = "tokenizer"
"""Parts: the .bin of an ncnn pair; the ONNX file exported from a checkpoint; the second net of a
tracker of one object; the tokenizer of an encoder of texts."""


class ModelFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files a model is made of."""

    main: ChosenWeights
    parts: dict[Part, ChosenWeights] = {}

    @property
    def network(self) -> ChosenWeights:
        """The file that the network is in: exported from the weights, or they themselves."""
        return self.parts.get(GRAPH_PART, self.main)

    @property
    def every(self) -> list[ChosenWeights]:
        """All of them that are files."""
        return [file for file in (self.main, *self.parts.values()) if file.file]


def model_routes(model: Model) -> list[str]:
    """The routes a model can go, its own first."""
    if model.text:
        return ["trace"]
    own = FILE_ROUTES.get(model.network)
    if own == "ncnn":
        return [own]
    return [own, "pnnx"] if own else ["trace", "script", "onnx", "pnnx"]


def require_route(model: Model, route: str) -> str:
    """The route, or the model's own without one; ``WrongInput`` for one it cannot go."""
    if route and route not in ROUTES:
        raise unknown_name("route", route, ROUTES)
    if route and route not in model_routes(model):
        raise WrongInput(
            f"{model.title} cannot go the route '{route}': its file is of kind {model.network}",
            remedy=f"routes of this model: {', '.join(model_routes(model))}",
        )
    return route or model_routes(model)[0]


def choose_files(model: Model, *, random_weights: bool = False) -> ModelFiles:
    """The files that are taken. Raises as ``weights.choose`` does."""
    if not random_weights:
        parts = {
            name: choose_weights(_with_only(model, file)) for name, file in model.parts.items()
        }
        return ModelFiles(main=choose_weights(model), parts=parts)
    if model.network in FILE_ROUTES or model.variant:
        raise WrongInput(
            f"{model.title} needs its file: random weights cannot replace it",
            remedy="leave out --random-weights",
        )
    return ModelFiles(main=RANDOM_WEIGHTS, parts=_tokenizer_if_here(model))


def _tokenizer_if_here(model: Model) -> dict[Part, ChosenWeights]:
    """Random weights need no tokenizer: without one, bytes are tokens."""
    file = model.parts.get(TOKENIZER_PART)
    sha256 = known_sha256(file.digest) if file and file.digest else None
    return {TOKENIZER_PART: ChosenWeights(file=file, sha256=sha256)} if sha256 else {}


def reference_model(
    model: Model, chosen: ChosenWeights, *, route: str = "", ir: Path | None = None
) -> ReferenceModel:
    """The model's original, lowered by that route; its own one when none is named.

    Route ``pnnx`` begins with the PNNX IR in the folder ``ir``. Raises ``WrongInput`` for a route
    the model cannot go, ``DownloadFailed`` and ``ConversionFailed``.
    """
    return reference_networks(model, ModelFiles(main=chosen), route=route, ir=ir)["model"]


def reference_networks(
    model: Model, files: ModelFiles, *, route: str = "", ir: Path | None = None
) -> dict[str, ReferenceModel]:
    """Each net of the model by its stem.

    ``model``; ``head`` where a part is one, ``text`` beside an encoder of pictures.
    """
    way = require_route(model, route)
    main = _with_probabilities(model, _main_network(model, files, way, ir))
    if model.text:
        return _text_networks(model, main, files, way, ir)
    if HEAD_PART not in files.parts:
        return {"model": main}
    return {"model": main, HEAD_PART: _head_network(model, main, files.parts[HEAD_PART], way, ir)}


def _with_probabilities(model: Model, main: ReferenceModel) -> ReferenceModel:
    if model.activation != "exp":
        return main
    classes = len(read_labels(model))
    return LogProbabilities(inner=main, output=model.output, classes=classes)


def _main_network(model: Model, files: ModelFiles, way: str, ir: Path | None) -> ReferenceModel:
    others: list[tuple[int, ...]] = [(model.input[0], *model.dynamic)] if model.dynamic else []
    if way == "ncnn":
        pair = NcnnReference(
            param=weights_path(files.main),
            bin=weights_path(files.parts[BIN_PART]),
            cut=model.cut,
        )
        if model.variant:
            return VariantPair(pair=pair, parent=_parent_network(model.variant))
        return pair
    write = _program_writer(model, way, ir)
    if model.network == "onnx":
        at = weights_path(files.network)
        return load_onnx(at, model.input_shapes, others=others, cut=model.cut, write=write)
    if model.network == "torchscript":
        program = SandboxedProgram(weights_path(files.main), model.cut)
        return ScriptReference(
            program=program, shapes=model.input_shapes, others=others, write=write
        )
    network = build_with_weights(model, files.main)
    return TorchReference(network=network, shapes=model.input_shapes, others=others, write=write)


def _parent_network(variant: Variant) -> ReferenceModel:
    """The original of a quantised variant."""
    parent = load_model(variant.parent)
    return reference_networks(parent, choose_files(parent))["model"]


def _head_network(
    model: Model, main: ReferenceModel, chosen: ChosenWeights, way: str, ir: Path | None
) -> ReferenceModel:
    """The head looks at what the backbone makes of the template and of where it searches."""
    import numpy as np

    sizes = (model.dynamic or model.input[1:], model.input[1:])
    shapes = [main.run(np.zeros((model.input[0], *size), np.float32))[0].shape for size in sizes]
    return load_onnx(
        weights_path(chosen), shapes, stem=HEAD_PART, write=_program_writer(model, way, ir)
    )


def _text_networks(
    model: Model, main: ReferenceModel, files: ModelFiles, way: str, ir: Path | None
) -> dict[str, ReferenceModel]:
    """Both encoders of the network."""
    if not isinstance(main, TorchReference):
        raise WrongInput(
            f"{model.title}: `text` is for networks that piyard builds",
            remedy="take `text` out of its YAML, and name another `task`",
        )
    chosen = files.parts.get(TOKENIZER_PART)
    description = read_tokenizer_json(weights_path(chosen)) if chosen else make_tokenizer_json([])
    text = text_reference(model, main.network, description, _program_writer(model, way, ir))
    pictures = msgspec.structs.replace(main, network=main.network.visual)
    return {"model": pictures, TEXT_STEM: text}


def _program_writer(model: Model, way: str, ir: Path | None) -> ProgramWriter:
    if ir:
        return partial(trace_ir, ir)
    return FILE_WRITERS.get(model.network) or ROUTE_WRITERS[way]


def weights_path(chosen: ChosenWeights) -> Path:
    """Where the file is; it is downloaded when it is not here."""
    fetch_weights(chosen)
    path = find_file(chosen.sha256)
    if not path:
        raise DownloadFailed(f"the file with sha256 {chosen.sha256} is gone again")
    return path


def _with_only(model: Model, file: Weights) -> Model:
    return msgspec.structs.replace(model, weights=[file])


def build_with_weights(model: Model, chosen: ChosenWeights) -> torch.nn.Module:
    """The network of a model that piyard builds, with its weights. Raises as ``load_weights``."""
    network = build_plain(model)
    if model.variant:
        fit_variant(network, model.variant.edits, chosen)
    load_weights(network, chosen)
    return network


def build_plain(model: Model) -> torch.nn.Module:
    """The network of that name, with torch's initial weights and without a variant's edits."""
    classes = len(read_labels(model)) if model.labels else 0
    named = {"keypoints": _count_lines(label_list_path(model.keypoints))} if model.keypoints else {}
    return build_network(model.network, classes, **named)


def _count_lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())
