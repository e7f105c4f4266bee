"""A Target: a kind of board, as its YAML in targets/ describes it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, field

from piyard.core import paths
from piyard.core.config import Config, load_yaml, yaml_names
from piyard.core.errors import WrongInput, unknown_name

NCNN_PINS = paths.ROOT / "toolchains" / "ncnn.yaml"

CMakeOptions = dict[str, bool | str]


class SdistPin(Config, frozen=True, kw_only=True, tag="sdist", tag_field="kind"):
    """A source archive of a package index, known by its sha256."""

    package: str
    version: str
    file: str
    sha256: str
    options: CMakeOptions = msgspec.field(default_factory=dict)


class GitPin(Config, frozen=True, kw_only=True, tag="git", tag_field="kind"):
    """A git repository at a tag or branch, or, if ``commit`` is given, at that commit only.

    Its submodules serve Vulkan and Python, which stay off; they are not fetched.
    """

    url: str
    version: str
    ref: str
    commit: str = ""
    options: CMakeOptions = msgspec.field(default_factory=dict)


class NcnnPins(Config, frozen=True, kw_only=True):
    """toolchains/ncnn.yaml."""

    default: str
    sources: dict[str, SdistPin | GitPin]
    options: CMakeOptions


def load_ncnn_pin(name: str = "", pins: Path = NCNN_PINS) -> tuple[SdistPin | GitPin, CMakeOptions]:
    """The ncnn of that name in toolchains/ncnn.yaml, or the default, and its CMake options."""
    file = load_yaml(pins, NcnnPins)
    chosen = name or file.default
    if chosen not in file.sources:
        raise unknown_name("ncnn source", chosen, file.sources)
    pin = file.sources[chosen]
    return pin, file.options | pin.options


TARGETS_FOLDER = paths.ROOT / "targets"
NOT_TARGETS = frozenset({"fleet"})

Precision = Literal["fp32", "fp16", "bf16", "int8"]
Claim = Annotated[str, Meta(pattern=r"\S")]
"""Not empty: every board's name begins with the empty string."""


class Conditions(Config, frozen=True, kw_only=True):
    """When a board is ready for a measurement, and what makes one invalid."""

    cool_c: float = 60
    """A run starts below this temperature of the SoC, in degrees Celsius."""
    hot_c: float = 80
    """From here on the firmware throttles: a time measured this hot is not valid."""
    load: float = 0.10
    """Load of other programs that is allowed, in cores: 0.10 is a tenth of one core."""
    settle_s: int = 300
    """How long a run waits at most until the board is cool and idle, in seconds."""
    governors: list[str] = field(default_factory=lambda: ["performance"])
    """cpufreq governors that hold the clock; a measurement sets the first one."""
    clock_khz: int | None = None
    """The nominal clock; a board's own maximum, where it reports one, takes precedence."""
    clock_tolerance: float = 0.02
    """How far the clock may be off while the run works, as a fraction of the nominal one."""
    firmware: bool = True
    """Whether these boards report a throttle word and their real clock (vcgencmd)."""


class Peaks(Config, frozen=True, kw_only=True):
    """The hardware's peak performance; figures that are not known are left out."""

    flops_per_cycle: dict[Precision, float] = field(default_factory=dict)
    """Of one core, a multiplication and an addition counting as two; without a precision that
    the core does not compute natively."""
    flops_source: str = ""
    read_gb_s: dict[int, float] = field(default_factory=dict)
    """Reading memory, 10^9 bytes a second, by threads: one can be faster than four together."""
    read_source: str = ""
    cache_kb: int = 0
    """All caches together: so much of the weights may still be cached from the last inference."""
    cache_source: str = ""

    def __post_init__(self) -> None:
        for figures, source in (
            (self.flops_per_cycle, "flops_source"),
            (self.read_gb_s, "read_source"),
            (self.cache_kb, "cache_source"),
        ):
            if figures and not getattr(self, source):
                raise ValueError(f"`{source}` must say where the figures come from")


class TargetDefinition(Config, frozen=True, kw_only=True):
    """The keys of a file in targets/: what building for such boards and emulating them takes."""

    title: str
    """The board's name as the Hardware column shows it."""
    arch: Literal["aarch64", "x86_64"]
    toolchain: str
    """The CMake toolchain file in toolchains/."""
    cpu: str
    """The core, as GCC and QEMU name it."""
    cores: int
    device_tree_models: list[Claim] = field(default_factory=list, name="models")
    """Beginnings of /proc/device-tree/model on boards of this kind."""
    page_size: int
    """Bytes; what is built must load with this page size and any smaller one."""
    precisions: list[Precision]
    """What a benchmark runs by default."""
    emulated_env: dict[str, str] = field(default_factory=dict)
    """Environment of every session on an emulated board of this kind."""
    cmake: dict[str, bool | str] = field(default_factory=dict)
    """ncnn options that differ from toolchains/ncnn.yaml."""
    conditions: Conditions = Conditions()
    peaks: Peaks | None = None


class Target(TargetDefinition, frozen=True, kw_only=True):
    """A kind of board: its definition, and the name of that file."""

    name: str


def load_target(name: str) -> Target:
    """The target of that name; an unknown one is an error with the nearest.

    Raises ``WrongInput`` where another target claims the same board.
    """
    if name not in target_names():
        raise unknown_name("target", name, target_names())
    definition = _read_definition(name)
    for other in target_names() if definition.device_tree_models else []:
        if other != name:
            _require_distinct(name, definition, other)
    return Target(name=name, **msgspec.structs.asdict(definition))


def target_names() -> list[str]:
    """All targets there are."""
    return [name for name in yaml_names(TARGETS_FOLDER) if name not in NOT_TARGETS]


def target_of_device(device_tree_model: str) -> str | None:
    """The target that claims a board of that name, if there is one: that with the longest claim."""
    claims = [
        (claim, name) for name in target_names() for claim in load_target(name).device_tree_models
    ]
    matches = [(len(claim), name) for claim, name in claims if device_tree_model.startswith(claim)]
    return max(matches)[1] if matches else None


def _require_distinct(name: str, target: TargetDefinition, other: str) -> None:
    try:
        other_claims = _read_definition(other).device_tree_models
    except WrongInput:  # reported when that target is used
        return
    if shared := sorted(
        set(map(_fold_claim, target.device_tree_models)) & set(map(_fold_claim, other_claims))
    ):
        raise WrongInput(
            f"two targets claim the board '{shared[0]}': {name} and {other}",
            evidence="\n".join(
                f"{TARGETS_FOLDER / each}.yaml: models" for each in sorted((name, other))
            ),
            remedy="remove it from `models` in one of them",
        )


def _fold_claim(claim: str) -> str:
    """Without case and extra blanks."""
    return " ".join(claim.split()).casefold()


def _read_definition(name: str) -> TargetDefinition:
    path = TARGETS_FOLDER / f"{name}.yaml"
    status = path.stat()
    return _parse_definition(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _parse_definition(path: Path, _mtime_ns: int, _size: int) -> TargetDefinition:
    """Each file is read once in a process, and again after a change."""
    return load_yaml(path, TargetDefinition)


PRECISIONS: tuple[str, ...] = get_args(Precision)
