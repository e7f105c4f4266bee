"""A Conversion: ncnn's files of a model on this machine, and the result of their proof.

The folder ``artifacts/conversions/<key>/`` holds model.ncnn.param, model.ncnn.bin (fp32 weights),
the same of a second net (``head``) where there is one, labels.txt, pnnx's own intermediate files
and log, and ``reference/<blob>.f32``.
"""

from __future__ import annotations

from collections.abc import Collection
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.convert.difference import OutputFigures
from piyard.convert.ncnn_net import declared_inputs, input_blobs, read_layers
from piyard.convert.output_kinds import choose_output
from piyard.convert.param import INT8, Layer, read_param
from piyard.convert.ranking import Ranking
from piyard.convert.text_encoder import TEXT_FILES, TextFigures
from piyard.core.errors import PROGRAM, ConversionFailed, WrongInput
from piyard.core.parsing import Count
from piyard.core.store import Manifest, NetSize, WeightsInfo, find_artifact, read_manifest
from piyard.models.definition import Model, ProofThresholds, read_labels
from piyard.models.edits import Edit
from piyard.vision.head_schema import Head
from piyard.vision.overlap import Agreement
from piyard.vision.schema import FurtherInput, Preprocess, TextConfig, TrackerConfig

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
            if self.model.variant and any(line.startswith(INT8) for line in failed):
                raise ConversionFailed(
                    f"{self.model.title}: int8 is too far from what its parent computes",
                    evidence="\n".join(failed),
                    remedy="calibrate with more pictures, by another --calibration, or train for "
                    f"it: --method qat; kept: {self.folder}; --force uses it all the same",
                )
            right = "" if self._fails_in_fp32 else "; boards may use it with --precision fp32"
            raise ConversionFailed(
                f"{self.model.title}: ncnn does not compute what the original computes",
                evidence="\n".join(failed),
                remedy=f"kept: {self.folder}; --force uses it all the same{right}",
            )
        return self

    @property
    def proved_in(self) -> list[str]:
        """The precisions whose proofs held; none where fp32 itself is wrong."""
        if self._fails_in_fp32:
            return []
        return [each for each in self.manifest.proof if not self._speaks_against(each)]

    def _speaks_against(self, precision: str) -> bool:
        return any(line.startswith(precision) for line in self.failed)

    @property
    def _fails_in_fp32(self) -> bool:
        return any(line.startswith((FP32, INT8)) for line in self.failed)


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
