"""A Model: what to convert and how to feed it, as its YAML in models/ describes it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from piyard.core import labels, paths
from piyard.core.config import Config, load_named, yaml_names
from piyard.core.errors import PROGRAM, WrongInput, did_you_mean, unknown_name
from piyard.models.architectures.small_cnn import is_small_cnn
from piyard.models.architectures.timm_networks import is_timm_network
from piyard.models.networks import CLIP, NETWORK_NAMES
from piyard.models.synthetic import INPUT_RANGE
from piyard.models.variants import Variant
from piyard.models.weights_file import Weights
from piyard.vision.head_schema import Head, Heatmap, Simcc
from piyard.vision.schema import (
    Crop,
    FurtherInput,
    ImageRange,
    InputSide,
    Preprocess,
    TextConfig,
    TrackerConfig,
)
from piyard.vision.tasks import check_model, find_task
from piyard.vision.tasks.base import TaskSpec

MODELS_FOLDER = paths.ROOT / "models"
LABELS_FOLDER, LANGUAGE_FOLDER = "labels", "language"

Cosine = Annotated[float, Meta(gt=0, le=1)]
Mask = Annotated[int, Meta(ge=1, le=3)]


Activation = Literal["auto", "softmax", "sigmoid", "exp", "none"]
Assumption = Literal[
    "input",
    "order",
    "mean",
    "norm",
    "fit",
    "output",
    "activation",
    "keypoints",
    "labels",
    "task",
    "images",
]
"""What may only be assumed of a network of the user's own."""

Part = Literal["bin", "graph", "head", "table", "tokenizer"]
FILE_NETWORKS = frozenset({"onnx", "torchscript", "ncnn"})
"""Values of ``network`` that mean: the file of weights is the network."""
CUTTABLE_NETWORKS = FILE_NETWORKS
"""Those of them whose file can be cut."""


COSINE_INT8, COSINE_INT8_MADE_UP = 0.95, 0.7
"""Least cosine of a network in int8 with the one it was made of: of what it sees in pictures, and
in noise and drawings, which its scales were not made for."""


COSINE_INT8_BOARD = 0.98
"""Least cosine of a board's int8 with a desktop's: mobilenet_v2 on a Cortex-A76 has 0.996."""


class ProofThresholds(Config):
    """How similar torch's and ncnn's outputs must be."""

    cosine_fp32: Cosine = 0.9999
    cosine_fp16: Cosine = 0.999
    cosine_int8: Cosine | msgspec.UnsetType = msgspec.UNSET
    """Of a quantised variant with what its parent computes in fp32; unset ``COSINE_INT8``."""

    def min_cosine(self, precision: str, *, made_up: bool = False) -> float:
        """The lowest cosine allowed in that precision; fp32 is the strictest one.

        Scales of int8 are made for pictures: of inputs that are ``made_up`` less is asked.
        """
        if precision.startswith("int8"):
            least = COSINE_INT8 if self.cosine_int8 is msgspec.UNSET else self.cosine_int8
            return min(least, COSINE_INT8_MADE_UP) if made_up else least
        return self.cosine_fp32 if precision.startswith("fp32") else self.cosine_fp16


class PublishedFigures(Config):
    """Published figures, to check ours against; ``None`` where there is none."""

    params: int | None = None
    macs: int | None = None
    top1: float | None = None
    """Percent, on ``dataset`` of the first weights."""
    map_50_95: float | None = msgspec.field(default=None, name="map")
    """Percent, mAP 50-95 (boxes, masks or keypoints as the task has them) on COCO val2017."""
    source: str = ""


class ModelDefinition(Config):
    """The keys of a file in models/: a network, its weights and input, what its outputs mean."""

    title: str
    """The name as the Model column shows it."""
    task: str
    """A name of ``piyard.vision.tasks``."""
    network: str
    """One of ``NETWORK_NAMES`` or of ``FILE_NETWORKS``, ``timm/NAME``, or ``small_cnn/…`` (see
    ``piyard.models.architectures.small_cnn``)."""
    weights: Annotated[list[Weights], Meta(min_length=1)]
    """Accepted files; the first one is the official one."""
    input: tuple[Literal[1, 3, 4], InputSide, InputSide]
    """Channels, height, width."""
    preprocess: Preprocess
    own: bool = False
    """Whether ``model.add`` or ``compress`` wrote it, so that ``model.remove`` may remove it."""
    variant: Variant | None = None
    """What ``compress`` made it from, and how."""
    labels: str = ""
    """A file in models/labels/, without its ending; one name a line."""
    head: Head | None = None
    """None for classification, and for a tracker that needs none."""
    keypoints: str = ""
    """A file in models/labels/ with the keypoints' names, for task pose."""
    detector: str = ""
    """The model that finds the objects this one looks at, for top-down pose."""
    tracker: TrackerConfig | None = None
    """Task track: how the detections of ``head`` become tracks, or one object is followed."""
    output: str = ""
    """Task classify: the output with the classes, as the file calls it, of a net with several."""
    activation: Activation = "auto"
    """Task classify: what makes scores of that output, ``sigmoid`` each class for itself;
    ``exp`` of log-probabilities; ``auto``: as the net ends (convert/own/description.py)."""
    images: dict[str, ImageRange] = msgspec.field(default_factory=dict)
    """Task other: outputs that are pictures, as ncnn calls them (out0, out1 …), with the range of
    their values."""
    further: tuple[FurtherInput, ...] = ()
    """Task other: inputs beside the first one, in the file's order."""
    text: TextConfig | None = None
    """Task clip: how texts are encoded."""
    assumed: tuple[Assumption, ...] = ()
    """What neither its file nor its user stated when it was added: delete what is checked."""
    cut: tuple[str, ...] = ()
    """Tensors of an ONNX graph, convolutions of a TorchScript program (see
    convert/script_cutting.py), or blobs of an ncnn pair that are the outputs; what comes after them
    is left out."""
    dynamic: tuple[InputSide, InputSide] | None = None
    """Another height and width the net must take, as a tracker's search area."""
    parts: dict[Part, Weights] = msgspec.field(default_factory=dict)
    """Further files: the .bin of an ncnn pair, the table of a quantised one's scales, the graph
    that others exported from the weights, the second net of a tracker of one object, the tokenizer
    of an encoder of texts."""
    masks: dict[str, dict[str, Mask]] = msgspec.field(default_factory=dict)
    """First 8 digits of the weights' sha256, or ``random`` → layers that these weights need masked.

    A layer's name in the .param, or a type for all layers of it → 1, 2 or 3, each of which means
    fp32 (convert/param.py). ``invoke prove --mask`` finds and writes them.
    """
    input_range: tuple[float, float] = msgspec.field(default=INPUT_RANGE, name="noise")
    """Range of made-up input: 0 to 255 for a network that takes pixel levels unscaled."""
    proof: ProofThresholds = ProofThresholds()
    published: PublishedFigures = PublishedFigures()

    def __post_init__(self) -> None:
        if isinstance(self.preprocess, Crop) and self.input[1:] != (self.preprocess.crop,) * 2:
            raise ValueError(
                "`input` is not as large as `preprocess.crop`: what is not square takes `fit` "
                "stretch or letterbox"
            )
        if self.input[0] != self.preprocess.channels:
            raise ValueError(
                f"`input` has {self.input[0]} channel(s) and `preprocess.order` "
                f"{self.preprocess.order} {self.preprocess.channels}"
            )
        if not self.input_range[0] < self.input_range[1]:
            raise ValueError("`noise` must start with its lower end")
        check_model(self.task, self)
        if (self.network in CLIP) != (self.text is not None):
            raise ValueError("`text` is for `network` " + " or ".join(sorted(CLIP)))
        if self.cut and self.network not in CUTTABLE_NETWORKS:
            raise ValueError("`cut` is for `network` " + " or ".join(sorted(CUTTABLE_NETWORKS)))
        if self.variant and self.variant.edits and self.network in FILE_NETWORKS:
            raise ValueError("`variant.edits` are for networks that piyard builds")
        if self.detector and not isinstance(self.head, Simcc | Heatmap):
            raise ValueError("`detector` is for top-down pose")

    def min_cosine(self, precision: str, *, made_up: bool = False) -> float:
        """The lowest cosine that its proof allows in that precision (see ``ProofThresholds``).

        A ready pair in int8 is its own original, and boards come as near to it as in fp16.
        """
        is_original = precision.startswith("int8") and self.variant is None
        return self.proof.min_cosine("fp16" if is_original else precision, made_up=made_up)

    def min_board_cosine(self, precision: str) -> float:
        """The lowest cosine of a board's outputs with the reference that its conversion holds.

        Of a variant in int8 the reference is this desktop's int8; what is apart is rounding that
        crosses from one integer to the next.
        """
        is_variant = precision.startswith("int8") and self.variant is not None
        return COSINE_INT8_BOARD if is_variant else self.min_cosine(precision)

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """Of every input, in the file's order."""
        return [self.input, *(each.shape for each in self.further)]

    @property
    def spec(self) -> TaskSpec:
        """Its task: how it is decoded, shown and judged."""
        return find_task(self.task)

    @property
    def labels_file(self) -> Path:
        """Where the labels are."""
        return label_list_path(self.labels)


class Model(ModelDefinition, kw_only=True):
    """A model of models/: its definition, the name of that file, and the detector it needs."""

    name: str
    detector_model: Model | None = None


def load_model(name: str) -> Model:
    """The model of that name, and its detector; an unknown one is an error with the nearest."""
    definition = load_definition(name)
    detector = definition.detector
    if detector and detector not in model_names():
        raise WrongInput(
            f"{MODELS_FOLDER / name}.yaml: there is no detector '{detector}'"
            f"{did_you_mean(detector, model_names())}",
            remedy="name a model of models/ that finds objects",
        )
    finder = name_model(detector, load_definition(detector)) if detector else None
    return msgspec.structs.replace(name_model(name, definition), detector_model=finder)


def load_models(names: Collection[str]) -> list[Model]:
    """The models of these names, each loaded once."""
    models = {name: load_model(name) for name in dict.fromkeys(names)}
    return [models[name] for name in names]


def name_model(name: str, definition: ModelDefinition) -> Model:
    """The model that a definition describes; without its detector."""
    return Model(name=name, **msgspec.structs.asdict(definition))


def load_definition(name: str) -> ModelDefinition:
    """The file of that name, checked; raises ``WrongInput``."""
    if name not in model_names() and (MODELS_FOLDER / LANGUAGE_FOLDER / f"{name}.yaml").is_file():
        raise WrongInput(
            f"'{name}' is a language model, and this is for models that see pictures",
            remedy=f"a language model is converted by: {PROGRAM} convert --model {name}",
        )
    model = load_named(MODELS_FOLDER, "model", name, ModelDefinition)
    buildable = NETWORK_NAMES | CLIP | FILE_NETWORKS
    family = is_timm_network(model.network) or is_small_cnn(model.network)
    if model.network not in buildable and not family:
        raise unknown_name("network", model.network, buildable)
    for listed in (model.labels, model.keypoints):
        if listed and not label_list_path(listed).is_file():
            raise WrongInput(
                f"{MODELS_FOLDER / name}.yaml: there are no labels '{listed}'",
                remedy=f"put {listed}.txt into {MODELS_FOLDER / 'labels'}",
            )
    return model


def model_names() -> list[str]:
    """All models there are."""
    return yaml_names(MODELS_FOLDER)


def label_list_names() -> list[str]:
    """All lists of names there are."""
    return sorted(path.stem for path in (MODELS_FOLDER / LABELS_FOLDER).glob("*.txt"))


def label_list_path(name: str) -> Path:
    """Where that list of names is."""
    return MODELS_FOLDER / LABELS_FOLDER / f"{name}.txt"


def read_labels(model: Model) -> list[str]:
    """The class names, in the order of the network's outputs."""
    return labels.read_labels(model.labels_file)
