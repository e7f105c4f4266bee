"""Layers of a converted network that the boards' ncnn cannot run, reported before it is run.

pnnx succeeds even when it could not express something: it writes the operation of torch into the
.param as it was. A message names the line, and the layer of the original it came from.

A layer's origin is the layer of the original that it came from.

pnnx renames what it converts, but its IR beside the conversion has the original's names, and
convolutions and matrices follow one another in the same order in both. A layer between them is
described by the one it comes after.

A network's outputs must also fit its description: the head's layout, the number of labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from piyard.convert.output_kinds import can_hold_classes, choose_output
from piyard.convert.param import Layer, read_param
from piyard.convert.pnnxir import Operator, read_ir
from piyard.core import target
from piyard.core.errors import ConversionFailed, WrongInput
from piyard.models.definition import Model, read_labels
from piyard.models.synthetic import INPUT_SEED, random_tensor, random_tensors
from piyard.vision.head_schema import DenseHead

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


SHOWN_LINES = 12
LINT_ADVICE = {
    "Tensor.slice": "ncnn slices without steps: take the pixels apart before the net, or write the"
    " step as a convolution",
}
LINT_REMEDY = "write that part of the network with operations ncnn has, or cut the net before it"


class UnsupportedLayers(ConversionFailed):
    """Layers of a converted network that ncnn does not have, of these ``kinds``."""

    def __init__(self, what: str, *, evidence: str, remedy: str, kinds: frozenset[str]) -> None:
        super().__init__(what, evidence=evidence, remedy=remedy)
        self.kinds = kinds


def require_supported(
    folder: Path, stem: str = "model", names: LayerNames | None = None
) -> list[Layer]:
    """The layers of the network; ``ConversionFailed`` when the boards' ncnn lacks one of them.

    ``names`` are those of the original's layers (see ``origins.of``).
    """
    file = folder / f"{stem}.ncnn.param"
    layers = read_param(file)
    lacking = [
        (line, layer) for line, layer in enumerate(layers, 3) if not _is_supported(layer.type)
    ]
    if lacking:
        lines, sources = file.read_text().splitlines(), find_origins(folder, stem, names)
        evidence = [
            f"{file.name}:{number}: {lines[number - 1][:160]}"
            f"{_describe_origin(sources.get(layer.name))}"
            for number, layer in lacking
        ]
        advice = sorted(
            {LINT_ADVICE[layer.type] for _, layer in lacking if layer.type in LINT_ADVICE}
        )
        raise UnsupportedLayers(
            f"pnnx could not express {len(lacking)} operation(s) as layers of ncnn",
            evidence="\n".join(evidence[:SHOWN_LINES]),
            remedy="; ".join([*advice, LINT_REMEDY]),
            kinds=frozenset(layer.type for _, layer in lacking),
        )
    if unread := _unread_inputs(layers):
        raise ConversionFailed(
            f"{file.name}: nothing reads the input {', '.join(unread)}",
            remedy="pnnx makes a constant of what depends on a branch or loop: convert by route "
            "trace, which keeps the branches that one inference takes",
        )
    return layers


def require_one_batch(
    folder: Path, stem: str = "model", names: LayerNames | None = None
) -> list[Layer]:
    """The layers of the network; ``ConversionFailed`` when some run on a batch of several."""
    file = folder / f"{stem}.ncnn.param"
    layers = read_param(file)
    if batched := [layer for layer in layers if _has_batches(layer)]:
        origin = find_origins(folder, stem, names).get(batched[0].name)
        raise ConversionFailed(
            f"{file.name}: {batched[0].name} takes several batches, which no proof can look into"
            f"{_describe_origin(origin)}",
            remedy=LINT_REMEDY,
        )
    return layers


NO_BATCH = "233"
"""What ncnn's Reshape takes for: no axis of its input, or output, counts batches."""
BATCH_AXES = ("12", "13")


def _has_batches(layer: Layer) -> bool:
    """Whether it makes a batch of several of its input, or one tensor of such a batch.

    Where both axes are the same, the batch of one stays what it is.
    """
    axes = {layer.settings.get(key, NO_BATCH) for key in BATCH_AXES}
    return layer.type == "Reshape" and len(axes) > 1


def _unread_inputs(layers: Sequence[Layer]) -> list[str]:
    read = {name for layer in layers for name in layer.bottoms}
    inputs = [name for layer in layers if layer.type == "Input" for name in layer.tops]
    return [name for name in inputs if name not in read]


def describe_version_skew() -> str:
    """A note when pnnx, the desktop's ncnn and the boards' ncnn differ in version, else nothing."""
    board = target.load_ncnn_pin()[0].version
    tools = {name: metadata.version(name) for name in ("pnnx", "ncnn")}
    differing = [
        f"{name} {version}" for name, version in tools.items() if not version.endswith(board)
    ]
    return (
        f"{' and '.join(differing)} beside ncnn {board} of the boards: layers may differ"
        if differing
        else ""
    )


def _is_supported(kind: str) -> bool:
    """Whether ncnn has such a layer and toolchains/ncnn.yaml does not leave it out."""
    import ncnn

    _, options = target.load_ncnn_pin()
    left_out = options.get(f"WITH_LAYER_{kind.lower()}", True) is False
    return not left_out and ncnn.layer_to_index(kind) >= 0


def _describe_origin(origin: str | None) -> str:
    return f" (in the original {origin})" if origin else ""


WEIGHTED_KINDS = {
    "Convolution": "convolution",
    "ConvolutionDepthWise": "convolution",
    "nn.Conv2d": "convolution",
    "F.conv2d": "convolution",
    "Deconvolution": "transposed",
    "DeconvolutionDepthWise": "transposed",
    "nn.ConvTranspose2d": "transposed",
    "InnerProduct": "matrix",
    "nn.Linear": "matrix",
}
"""Layers of ncnn and operators of the IR whose order both keep."""


LayerNames = Mapping[str, Sequence[str]]
"""Kind → the names the original has for its layers of that kind, in order."""


def find_origins(
    folder: Path, stem: str = "model", names: LayerNames | None = None
) -> dict[str, str]:
    """Layer of ncnn → what it came from; empty where pnnx kept no IR.

    ``names`` are an ONNX file's, which the IR does not keep.
    """
    try:
        operators = read_ir(folder / f"{stem}.pnnx.param")
    except (OSError, ConversionFailed):
        return {}
    layers = read_param(folder / f"{stem}.ncnn.param")
    from_ir = {kind: _names_of_kind(operators, kind) for kind in set(WEIGHTED_KINDS.values())}
    return _spread_names(
        layers, _match_by_order(layers, from_ir) | _match_by_order(layers, names or {})
    )


def _names_of_kind(layers: Sequence[Layer] | Sequence[Operator], kind: str) -> list[str]:
    return [layer.name for layer in layers if WEIGHTED_KINDS.get(layer.type) == kind]


def _match_by_order(layers: Sequence[Layer], names: LayerNames) -> dict[str, str]:
    matches: dict[str, str] = {}
    for kind, originals in names.items():
        converted = _names_of_kind(layers, kind)
        if len(converted) == len(originals):
            matches |= dict(zip(converted, originals, strict=True))
    return matches


def _spread_names(layers: Sequence[Layer], named: Mapping[str, str]) -> dict[str, str]:
    """The names; for layers without one, which layer they come after."""
    by_blob: dict[str, str] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        before = next((by_blob[blob] for blob in layer.bottoms if blob in by_blob), "the input")
        own = _own_name(layer, named)
        origins[layer.name] = own or f"behind {before}"
        by_blob |= dict.fromkeys(layer.tops, own or before)
    return origins


def _own_name(layer: Layer, named: Mapping[str, str]) -> str:
    """A layer with weights has a name of its own, the converted net's where no other is known."""
    if layer.name in named:
        return f"'{named[layer.name]}'"
    return f"what became '{layer.name}'" if layer.type in WEIGHTED_KINDS else ""


SUM_TOLERANCE = 1e-3
"""How far a sum of probabilities may be from 1."""


class RunnableNetwork(Protocol):
    """A network that can be run; a ``ReferenceModel`` is one."""

    def run(self, *inputs: Floats) -> list[Floats]:
        """Its outputs, without a batch."""

    def output_names(self, count: int) -> list[str]:
        """What they are called."""


def require_classes(model: Model, network: RunnableNetwork) -> None:
    """Raise ``WrongInput`` when the network's outputs do not fit the model's description."""
    arrays = network.run(*random_tensors(model.input_shapes, span=model.input_range))
    labels = len(read_labels(model)) if model.labels else 0
    classes = _count_classes(model, arrays, network.output_names(len(arrays)))
    fits = classes == labels or (
        model.spec.has_class_output and can_hold_classes(classes or 0, labels)
    )
    if classes is not None and not fits:
        raise WrongInput(
            f"{model.title}: the network has {classes} classes, '{model.labels}' has {labels}",
            remedy="correct `labels`, `head` or `cut`: keys of the model's YAML, flags of "
            "model.add",
        )


def require_logits(model: Model, network: RunnableNetwork) -> None:
    """Raise ``WrongInput`` for probabilities that a softmax would flatten.

    Judged by the values: a network may compute a softmax without a layer of that name.
    """
    if not model.spec.has_class_output or model.activation != "softmax":
        return
    runs = [
        network.run(random_tensor(model.input, seed, span=model.input_range))
        for seed in (INPUT_SEED, INPUT_SEED + 1)
    ]
    names, sizes = network.output_names(len(runs[0])), [int(array.size) for array in runs[0]]
    index = choose_output(model.output, names, sizes, len(read_labels(model)))
    if all(_are_probabilities(arrays[index]) for arrays in runs):
        raise WrongInput(
            f"{model.title}: the outputs are already probabilities: they sum to 1",
            remedy="a softmax would flatten them: --activation none, or `activation` in its YAML",
        )


def _are_probabilities(output: Floats) -> bool:
    in_range = float(output.min()) >= 0 and float(output.max()) <= 1
    varies = float(output.max()) > float(output.min())
    return in_range and varies and abs(float(output.sum()) - 1) < SUM_TOLERANCE


def _count_classes(model: Model, arrays: list[Floats], names: Sequence[str]) -> int | None:
    """How many classes the outputs are for; None where they do not show it."""
    if model.spec.has_class_output:
        sizes = [int(array.size) for array in arrays]
        return sizes[choose_output(model.output, names, sizes, len(read_labels(model)))]
    if isinstance(model.head, DenseHead):
        channels = model.spec.channel_layout(model.head, arrays).classes
        return int(channels.stop) - int(channels.start)
    return None
