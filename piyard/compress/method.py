"""A method of compression: its settings, what it needs, and what it makes of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from piyard.compress.pictures import CompressionData
from piyard.core.errors import WrongInput, unknown_name
from piyard.core.parsing import JsonValues
from piyard.models.definition import Model, Part
from piyard.models.edits import Edit
from piyard.models.variants import MethodName

Calibration = Literal["kl", "aciq", "percentile", "mse", "cosine"]
CALIBRATIONS: tuple[Calibration, ...] = ("kl", "aciq", "percentile", "mse", "cosine")


def parse_calibration(name: str) -> Calibration | None:
    """The calibration of that name, None without one. Raises ``WrongInput``."""
    if not name:
        return None
    calibrations = {each: each for each in CALIBRATIONS}
    if name not in calibrations:
        raise unknown_name("calibration", name, calibrations)
    return calibrations[name]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What decides what a method makes; its fields are in the variant's manifest."""


class CompressOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user says of one compression; None and empty: the method's own default."""

    model: str
    methods: tuple[MethodName, ...]
    data: Path | None = None
    data_format: str = ""
    split: str = ""
    pictures: int | None = None
    target: str = "rpi5"
    seed: int = 1
    name: str = ""
    max_latency_ms: float | None = None
    keep_accuracy: float | None = None
    """Share of the parent's, 0 to 1."""
    epochs: int | None = None
    steps: int | None = None
    lr: float | None = None
    batch: int | None = None
    ratio: float | None = None
    rank: int | None = None
    energy: float | None = None
    trials: int | None = None
    counted: bool = False
    teacher: str = ""
    calibration: Calibration | None = None
    per_layer: bool = False
    mixed: bool = False


OptionName = Literal[
    "max_latency_ms",
    "keep_accuracy",
    "epochs",
    "steps",
    "lr",
    "batch",
    "ratio",
    "rank",
    "energy",
    "trials",
    "counted",
    "teacher",
    "calibration",
    "per_layer",
    "mixed",
]
"""Fields of ``CompressOptions`` that only some methods look at."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One method, applied to a model that is there."""

    name: str
    """Of the variant."""
    parent: Model
    method: MethodName
    settings: Any
    """The method's own ``Settings``."""
    data: CompressionData | None
    seed: int
    target: str
    checkpoints: Path
    """Where training leaves its checkpoints; gone once the variant is there."""

    def require_data(self) -> CompressionData:
        """Its pictures. Raises ``WrongInput`` without any."""
        if self.data is None:
            raise WrongInput(
                f"--method {self.method} needs pictures", remedy="name them: --data DIR"
            )
        return self.data


class TrainingPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a training knew at the end of an epoch; of its own loop, never an evaluation."""

    epoch: int
    step: int
    loss: float
    accuracy: float | None = None
    """Percent on the pictures that were kept apart; None without labels."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a method has put into its folder, and how the variant's YAML differs from its parent's.

    ``weights`` and ``parts`` are names of files in the folder.
    """

    weights: str
    parts: Mapping[Part, str] = {}
    edits: tuple[Edit, ...] = ()
    """All that lead from the network of its name to this one, the parent's own among them."""
    changes: JsonValues = {}
    """Other keys of the YAML → value; None takes a key out."""
    notes: Sequence[str] = ()
    """For people, a line each."""
    history: Sequence[TrainingPoint] = ()


class Method(Protocol):
    """What every method of ``piyard.compress.methods`` is."""

    @property
    def name(self) -> MethodName:
        """What ``--method`` calls it."""

    @property
    def about(self) -> str:
        """What it does, in a few words."""

    @property
    def options(self) -> frozenset[OptionName]:
        """Those it looks at; others are refused."""

    @property
    def needs_data(self) -> Literal["", "pictures", "labels"]:
        """What it cannot do without."""

    @property
    def learns(self) -> bool:
        """Whether it fits its variants to the pictures, so that others must judge them."""

    @property
    def is_last(self) -> bool:
        """Whether nothing can be done to its variants."""

    @property
    def tools(self) -> Sequence[str]:
        """Packages whose version decides the bytes."""

    @property
    def settings_type(self) -> type[Settings]:
        """Of ``Step.settings``."""

    def choose_settings(self, options: CompressOptions) -> Settings:
        """The settings that the options mean. Raises ``WrongInput``."""

    def detail(self, settings: Any) -> str:
        """What follows the parent's name and ``@``: ``prune50``."""

    def check(self, step: Step) -> None:
        """Raise ``WrongInput`` for what cannot be done, before anything takes long."""

    def make(self, step: Step, folder: Path) -> Outcome:
        """Fill the folder. Deterministic: the same step gives the same bytes on one machine."""
