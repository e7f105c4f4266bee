"""A Conversion: ncnn's files of a model on this machine, and the result of their proof.

The folder ``artifacts/conversions/<key>/`` holds model.ncnn.param, model.ncnn.bin (fp32 weights),
the same of a second net (``head``) where there is one, labels.txt, pnnx's own intermediate files
and log, and ``reference/<blob>.f32``.

A conversion and its proof are shown as rows, notes and a state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.analysis import choose_output
from piyard.convert.difference import OutputFigures
from piyard.convert.ncnn_net import declared_inputs, input_blobs, read_layers
from piyard.convert.param import INT8, Layer, read_param
from piyard.convert.ranking import Ranking
from piyard.convert.text_encoder import TEXT_FILES, TextFigures
from piyard.core.errors import PROGRAM, ConversionFailed, WrongInput
from piyard.core.parsing import Count
from piyard.core.store import Manifest, NetSize, WeightsInfo, find_artifact, read_manifest
from piyard.models.definition import Model, ProofThresholds, read_labels
from piyard.models.edits import Edit
from piyard.vision.overlap import Agreement
from piyard.vision.schema import FurtherInput, Head, Preprocess, TextConfig, TrackerConfig

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


def find_class_output(conversion: Conversion, model: Model) -> int:
    """The index of a converted classifier's output with the classes. Raises ``WrongInput``."""
    reference = conversion.manifest.reference
    sizes = [prod(shape) for shape in reference.outputs.values()]
    names = reference.names or list(reference.outputs)
    return choose_output(model.output, names, sizes, len(read_labels(model)))


CONVERSION_SHELF = "conversions"
LABELS_FILE = "labels.txt"
REFERENCE_FOLDER = "reference"
FP32 = "fp32"
FUSED_PRECISION = "fp16"


class ReferenceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The original's outputs for the input of that seed and range."""

    names: list[str] = []
    """The original's own names of the outputs, in their order."""
    outputs: dict[str, list[int]]
    """ncnn's name → shape."""
    seed: int
    span: tuple[float, float]


class PrecisionProof(msgspec.Struct, frozen=True, kw_only=True):
    """The proof's figures in one precision."""

    computed: str
    """For people: by what, and on which machine."""
    inputs: dict[str, dict[str, OutputFigures]]
    """Kind of input → output → its figures."""
    predictions: Agreement | None = msgspec.field(name="found", default=None)
    tracks: Agreement | None = None
    ranking: Ranking | msgspec.UnsetType = msgspec.UNSET
    """Of texts by pictures, where there is an encoder of texts."""


class ConversionInputs(Manifest, frozen=True, kw_only=True):
    """Everything that decides a conversion's bytes, and the thresholds they have passed."""

    activation: str
    cut: list[str]
    dynamic: tuple[int, int] | None
    edits: list[Edit] | msgspec.UnsetType = msgspec.UNSET
    """Of a variant: how its network differs from the one of that name."""
    format: int
    further: list[FurtherInput] | msgspec.UnsetType = msgspec.UNSET
    """Inputs beside the first one, of a net that has some."""
    head: Head | None
    input: tuple[int, int, int]
    labels: str
    """Digest of the file; empty without one."""
    masks: dict[str, int] = msgspec.field(default_factory=dict)
    network: str
    input_range: tuple[float, float] = msgspec.field(name="noise")
    output: str
    parts: dict[str, WeightsInfo]
    preprocess: Preprocess
    route: str
    task: str
    text: TextConfig | msgspec.UnsetType = msgspec.UNSET
    thresholds: ProofThresholds
    tracker: TrackerConfig | None
    versions: dict[str, str]
    """Of the tools that make it."""
    weights: WeightsInfo


class ConversionManifest(ConversionInputs, frozen=True, kw_only=True):
    """The manifest of a conversion: the inputs, and what came out."""

    empty: dict[str, str] = msgspec.field(default_factory=dict)
    failed: list[str] = msgspec.field(default_factory=list)
    lint: list[str] = msgspec.field(default_factory=list)
    macs: Count
    main: NetSize | msgspec.UnsetType = msgspec.UNSET
    """Of the first net, where there are several."""
    nets: list[str] = msgspec.field(default_factory=lambda: ["model"])
    no_fp16_storage: list[str] = msgspec.field(default_factory=list)
    """Layers that stay in fp32."""
    original: str
    """What computed the reference."""
    params: Count
    proof: dict[str, PrecisionProof]
    reference: ReferenceInfo
    texts: TextFigures | msgspec.UnsetType = msgspec.UNSET
    """Of a model with an encoder of texts."""
    fused: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Stems of nets that boards run in nnrun's own layers when they compute in fp16."""


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """A converted model on this machine, compared with its original."""

    model: Model
    key: str
    folder: Path
    manifest: ConversionManifest
    fresh: bool
    """Whether it was made now."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def has_real_weights(self) -> bool:
        """Whether its outputs mean anything: random weights are for times only."""
        return self.manifest.weights.kind == "file"

    @property
    def weights(self) -> str:
        """Their short name in the model's YAML (see ``ChosenWeights.short``)."""
        return self.manifest.weights.sha256[:8] or "random"

    @property
    def net_files(self) -> list[str]:
        """The names of its nets' files, as boards get them."""
        files = [f"{stem}.ncnn.{part}" for stem in self.stems for part in ("param", "bin")]
        return files if self.manifest.texts is msgspec.UNSET else [*files, *TEXT_FILES]

    def board_files(self, precision: str) -> dict[str, str]:
        """The name that a net's file has on boards → its name here."""
        files = {name: name for name in self.net_files}
        fused = self.manifest.fused if precision == FUSED_PRECISION else ()
        for stem in fused or ():
            files |= {f"{stem}.ncnn.{part}": f"{stem}.fused.{part}" for part in ("param", "bin")}
        return files

    def board_layers(self, stem: str, precision: str) -> list[Layer]:
        """The layers of a net as boards get it."""
        return read_param(self.folder / self.board_files(precision)[f"{stem}.ncnn.param"])

    @property
    def labels_file(self) -> str:
        """The name of the file of its classes, one a line."""
        return LABELS_FILE

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.manifest.input

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """Of every input, in the order in which nnrun takes them."""
        layers = read_layers(self.folder)
        further = self.manifest.further
        shapes = [self.input_shape, *(each.shape for each in further or ())]
        named = dict(zip(input_blobs(layers), shapes, strict=True))
        return [named[name] for name in declared_inputs(layers)]

    @property
    def input_range(self) -> tuple[float, float]:
        """Lowest and highest value of synthetic input."""
        return self.manifest.reference.span

    @property
    def outputs(self) -> list[str]:
        """ncnn's names of the output blobs."""
        return list(self.manifest.reference.outputs)

    @property
    def failed(self) -> list[str]:
        """What failed in its proof, a line each."""
        return self.manifest.failed

    @property
    def empty(self) -> dict[str, str]:
        """Outputs whose agreement proves nothing, and why."""
        return self.manifest.empty

    @property
    def stems(self) -> list[str]:
        """What the files of its networks begin with: ``model``, and ``head`` of a tracker."""
        return self.manifest.nets

    def reference(self, blob: str) -> Floats:
        """The original's output, flat, for ``stimulus.tensor(input_shape, SEED, input_range)``."""
        import numpy as np

        return np.fromfile(self.folder / REFERENCE_FOLDER / f"{blob}.f32", dtype="<f4")

    def failed_for(self, precisions: Collection[str]) -> list[str]:
        """What speaks against these precisions: what fp16 loses does not matter to fp32.

        A quantised net has no other precision than its own.
        """
        only_fp32 = set(precisions) == {FP32}
        return [] if only_fp32 and not self._fails_in_fp32 else self.failed

    def require_proved(self, precisions: Collection[str] = ()) -> Conversion:
        """Itself. Raises ``ConversionFailed`` when its proof failed, in these precisions."""
        if failed := self.failed_for(precisions):
            right = "" if self._fails_in_fp32 else "; boards may use it with --precision fp32"
            raise ConversionFailed(
                f"{self.model.title}: ncnn does not compute what the original computes",
                evidence="\n".join(failed),
                remedy=f"kept: {self.folder}; --force uses it all the same{right}",
            )
        return self

    @property
    def _fails_in_fp32(self) -> bool:
        return any(line.startswith((FP32, INT8)) for line in self.failed)


PROOF_COLUMNS = ("Model", "Data type", "Input", "Output", "Count", "Cosine", "Max abs")
SHOWN_LAYERS = 8
"""At most so many layers are named."""


def proof_rows(conversion: Conversion) -> list[list[str]]:
    """The proof's figures, a row for each precision, kind of input and output."""
    return [
        [conversion.name, precision, kind, output, *figures.cells]
        for precision, proved in conversion.manifest.proof.items()
        for kind, outputs in proved.inputs.items()
        for output, figures in outputs.items()
    ]


def worst_rows(conversion: Conversion) -> list[list[str]]:
    """For each kind of input only the output with the lowest cosine, and how many there are."""
    return [
        [conversion.name, precision, kind, *_least_alike_cells(outputs)]
        for precision, proved in conversion.manifest.proof.items()
        for kind, outputs in proved.inputs.items()
    ]


def _least_alike_cells(outputs: Mapping[str, OutputFigures]) -> list[str]:
    name, figures = min(outputs.items(), key=lambda item: item[1].cosine)
    label = f"{name}, the least of {len(outputs)}" if len(outputs) > 1 else name
    return [label, *figures.cells]


def list_notes(conversion: Conversion) -> list[str]:
    """What is worth knowing beside the figures."""
    manifest = conversion.manifest
    lines = list(manifest.lint)
    if manifest.route == "onnx" and manifest.network != "onnx":
        lines.append("by ONNX: torch calls this exporter deprecated; route trace is the default")
    if manifest.network == "torchscript":
        lines.append("a TorchScript file is a program: it runs in a sandbox unless you trust it")
    if manifest.original == "ncnn":
        lines.append("a ready pair has no original: only its fp16 was compared with its fp32")
    lines += [f"output {name} proves nothing: {why}" for name, why in conversion.empty.items()]
    lines += _unproved_meanings(conversion)
    lines += [
        f"output {name} is {why}: its difference was judged"
        for name, why in _blind_outputs(conversion)
    ]
    lines += [
        f"{precision}, {proved.ranking.text}"
        for precision, proved in manifest.proof.items()
        if proved.ranking is not msgspec.UNSET
    ]
    if fused := manifest.fused:
        lines.append(f"in fp16 boards run {' and '.join(fused)} in nnrun's own layers")
    if masks := manifest.masks:
        lines.append(f"masked by its YAML, as a board showed: {', '.join(masks)}")
    if keep_fp32 := manifest.no_fp16_storage:
        lines.append(f"stays in fp32 where fp16 loses too much: {_join_names(keep_fp32)}")
    return lines


def _unproved_meanings(conversion: Conversion) -> list[str]:
    """What the outputs mean, where nothing shown to it could have differed."""
    if conversion.model.head is None or not conversion.has_real_weights:
        return []
    proofs = conversion.manifest.proof.values()
    predictions = [each.predictions for each in proofs if each.predictions]
    tracks = [each.tracks for each in proofs if each.tracks]
    lines = [
        f"what {what} proves nothing: {agreement.text}"
        for what, agreements in (
            ("is found in pictures", predictions),
            ("is followed in a clip", tracks),
        )
        for agreement in agreements
        if agreement.proves_nothing
    ]
    if not predictions:
        lines.append(
            "only outputs were compared: PIYARD_MIRROR has no pictures to compare what is found"
        )
    return list(dict.fromkeys(lines))


def _blind_outputs(conversion: Conversion) -> list[tuple[str, str]]:
    """Outputs whose cosine means nothing for any input, and why."""
    reasons: dict[str, set[str]] = {}
    for proved in conversion.manifest.proof.values():
        for outputs in proved.inputs.values():
            for name, figures in outputs.items():
                reasons.setdefault(name, set()).add(figures.blind)
    return [(name, why.pop()) for name, why in reasons.items() if len(why) == 1 and "" not in why]


def describe_state(conversion: Conversion) -> str:
    """Whether it was proved, in a few words."""
    if conversion.failed:
        return f"FAILED its proof: {conversion.failed[0]}"
    if conversion.empty:
        why = next(iter(conversion.empty.values()))
        return f"converted, NOT PROVED: {', '.join(conversion.empty)}: {why}"
    return "converted and proved" if conversion.fresh else "nothing changed"


def _join_names(names: Sequence[str]) -> str:
    """All names where they are few, else the first ones: the manifest has them all."""
    more = len(names) - SHOWN_LAYERS
    return ", ".join(names[:SHOWN_LAYERS]) + (f" and {more} more" if more > 0 else "")


def compare_routes(conversion: Conversion, default: Conversion) -> list[str]:
    """How a conversion by another route differs from the one by the default route."""
    routes = [each.manifest.route for each in (conversion, default)]
    ours, theirs = Counter(_layer_types(conversion)), Counter(_layer_types(default))
    counts = [f"{ours[type_] - theirs[type_]:+d} {type_}" for type_ in sorted({*ours, *theirs})]
    changes = ", ".join(text for text in counts if not text.startswith("+0 "))
    totals = f"{ours.total()} layers and {theirs.total()}"
    return [f"route {routes[0]} beside {routes[1]}: {totals} ({changes or 'the same kinds'})"] + [
        f"  {precision}: lowest cosine {_lowest_cosine(conversion, precision):.8f}"
        f" and {_lowest_cosine(default, precision):.8f}"
        for precision in conversion.manifest.proof
    ]


def _layer_types(conversion: Conversion) -> list[str]:
    return [
        layer.type for stem in conversion.stems for layer in read_layers(conversion.folder, stem)
    ]


def _lowest_cosine(conversion: Conversion, precision: str) -> float:
    kinds = conversion.manifest.proof[precision].inputs.values()
    return min(figures.cosine for outputs in kinds for figures in outputs.values())


def find_conversion(model: Model, key: str) -> Conversion:
    """An earlier conversion; raises ``WrongInput`` when it is not there any more."""
    folder = find_artifact(CONVERSION_SHELF, key)
    if folder is None:
        raise WrongInput(
            f"the conversion {key} of {model.name} is gone from artifacts/",
            remedy=f"make it again: {PROGRAM} convert --model {model.name}",
        )
    return load_conversion(model, key, folder, fresh=False)


def load_conversion(model: Model, key: str, folder: Path, *, fresh: bool) -> Conversion:
    manifest = read_manifest(folder, ConversionManifest)
    return Conversion(model=model, key=key, folder=folder, manifest=manifest, fresh=fresh)
