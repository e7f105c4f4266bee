"""A Model: what to convert and how to feed it, as its YAML in models/ describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from piyard import config, networks, paths
from piyard.config import Config
from piyard.errors import WrongInput, unknown

FOLDER = paths.ROOT / "models"

Digest = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
Prefix = Annotated[str, Meta(pattern="^([0-9a-f]{8,63})?$")]
Side = Annotated[int, Meta(ge=1, le=8192)]
Cosine = Annotated[float, Meta(gt=0, le=1)]
Triple = tuple[float, float, float]


class Weights(Config):
    """One file of weights that is accepted."""

    source: str
    """Whose file it is, for the manifest."""
    licence: str
    dataset: str
    """What it was trained on."""
    url: str = ""
    """Empty: the file is only taken from PIYARD_MIRROR."""
    sha256: Digest = ""
    sha256_prefix: Prefix = ""
    """The first digits, where no more is published; the manifest records all of them."""

    def __post_init__(self) -> None:
        if bool(self.sha256) == bool(self.sha256_prefix):
            raise ValueError("give one of `sha256` and `sha256_prefix`")

    @property
    def name(self) -> str:
        """What the file is called in the cache."""
        return self.url.rpartition("/")[2] or f"{self.digest[:8]}.pth"

    @property
    def digest(self) -> str:
        """The sha256, or what is known of it."""
        return self.sha256 or self.sha256_prefix


class Preprocess(Config):
    """From a picture of any size to the network's input."""

    resize: Side
    """The length of the short side, in pixels."""
    crop: Side
    """The side of the square cut from the centre, in pixels."""
    resample: Literal["bilinear", "bicubic", "nearest"]
    """Pillow's filter of that name."""
    order: Literal["rgb", "bgr"]
    mean: Triple
    """Subtracted from each channel (0..255), in the order of ``order``."""
    norm: Triple
    """Multiplied afterwards, as ncnn's substract_mean_normalize does."""

    def __post_init__(self) -> None:
        if self.crop > self.resize:
            raise ValueError("`crop` is larger than `resize`")


class Proof(Config):
    """How alike torch's and ncnn's outputs must be."""

    cosine_fp32: Cosine = 0.9999
    cosine_fp16: Cosine = 0.999


class Published(Config):
    """Figures others give, to check ours against; ``None`` where nobody gives one."""

    params: int | None = None
    macs: int | None = None
    top1: float | None = None
    """Percent, on ``dataset`` of the first weights."""
    source: str = ""


class Model(Config):
    """A network, its weights, its input and what its outputs mean."""

    title: str
    """The name as the Model column shows it."""
    task: Literal["classify"]
    network: str
    """A name in networks.py."""
    weights: Annotated[list[Weights], Meta(min_length=1)]
    """Accepted files; the first one is the official one."""
    input: tuple[Literal[3], Side, Side]
    """Channels, height, width."""
    preprocess: Preprocess
    labels: str
    """A file in models/labels/, without its ending; one name a line."""
    proof: Proof = Proof()
    published: Published = Published()

    def __post_init__(self) -> None:
        if self.input[1:] != (self.preprocess.crop, self.preprocess.crop):
            raise ValueError("`input` is not as large as `preprocess.crop`")

    @property
    def labels_file(self) -> Path:
        """Where the labels are."""
        return FOLDER / "labels" / f"{self.labels}.txt"


def load(name: str) -> Model:
    """The model of that name; an unknown one is an error with the nearest."""
    model = config.load_named(FOLDER, "model", name, Model)
    if model.network not in networks.NAMES:
        raise unknown("network", model.network, networks.NAMES)
    if not model.labels_file.is_file():
        raise WrongInput(
            f"{FOLDER / name}.yaml: there are no labels '{model.labels}'",
            remedy=f"put {model.labels}.txt into {FOLDER / 'labels'}",
        )
    return model


def names() -> list[str]:
    """All models there are."""
    return config.names(FOLDER)


def labels(model: Model) -> list[str]:
    """The class names, in the order of the network's outputs."""
    return model.labels_file.read_text(encoding="utf-8").splitlines()
