"""A Target: a kind of board, as its YAML in targets/ describes it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from piyard import config, paths
from piyard.config import Config
from piyard.errors import WrongInput, unknown

FOLDER = paths.ROOT / "targets"
NOT_TARGETS = frozenset({"fleet"})

Precision = Literal["fp32", "fp16", "bf16", "int8"]
Claim = Annotated[str, Meta(pattern=r"\S")]
"""Not nothing: every board begins with that."""


class Conditions(Config, frozen=True, kw_only=True):
    """When a board of this kind is fit to be measured, and what spoils a run on it."""

    cool_c: float = 60
    """A run starts below this temperature of the SoC, in degrees Celsius."""
    hot_c: float = 80
    """From here on the firmware slows the cores down: a time measured so hot is worth nothing."""
    load: float = 0.10
    """Work of others that is allowed, in cores: 0.10 is a tenth of one core."""
    settle_s: int = 300
    """How long a run waits at most until the board is cool and quiet, in seconds."""
    governors: list[str] = field(default_factory=lambda: ["performance"])
    """cpufreq's governors that hold the clock; the first one is what measuring asks for."""
    clock_khz: int | None = None
    """The nominal clock; where a board tells its own highest one, that counts."""
    clock_tolerance: float = 0.02
    """How far the clock may be off while the run works, as a fraction of the nominal one."""
    firmware: bool = True
    """Whether boards of this kind tell a throttle word and their real clock (vcgencmd)."""


class Peaks(Config, frozen=True, kw_only=True):
    """The most that the hardware can do; what nobody knows of it is left out."""

    flops_per_cycle: dict[Precision, float] = field(default_factory=dict)
    """Of one core, a multiplication and an addition counting as two; without a precision that
    the core does not compute natively."""
    flops_source: str = ""
    read_gb_s: dict[int, float] = field(default_factory=dict)
    """Reading memory, 10^9 bytes a second, by threads: one can be faster than four together."""
    read_source: str = ""
    cache_kb: int = 0
    """All caches together: as much of the weights may still be there from the last inference."""
    cache_source: str = ""

    def __post_init__(self) -> None:
        for figures, source in (
            (self.flops_per_cycle, "flops_source"),
            (self.read_gb_s, "read_source"),
            (self.cache_kb, "cache_source"),
        ):
            if figures and not getattr(self, source):
                raise ValueError(f"`{source}` must say where the figures come from")


class Target(Config, frozen=True, kw_only=True):
    """What piyard must know to build for a kind of board and to imitate it."""

    title: str
    """The board's name as the Hardware column shows it."""
    arch: Literal["aarch64", "x86_64"]
    toolchain: str
    """The CMake toolchain file in toolchains/."""
    cpu: str
    """The core, as GCC and QEMU name it."""
    cores: int
    models: list[Claim] = field(default_factory=list)
    """How the board names itself in /proc/device-tree/model: the start of it."""
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


def load(name: str) -> Target:
    """The target of that name; an unknown one is an error with the nearest.

    Raises ``WrongInput`` where another target claims a board that it claims.
    """
    if name not in names():
        raise unknown("target", name, names())
    kind = _read(name)
    for other in names() if kind.models else []:
        if other != name:
            _require_apart(name, kind, other)
    return kind


def names() -> list[str]:
    """All targets there are."""
    return [name for name in config.names(FOLDER) if name not in NOT_TARGETS]


def of_model(model: str) -> str | None:
    """The target whose boards name themselves so, if there is one: that which says the most."""
    claims = [(claim, name) for name in names() for claim in load(name).models]
    fitting = [(len(claim), name) for claim, name in claims if model.startswith(claim)]
    return max(fitting)[1] if fitting else None


def _require_apart(name: str, kind: Target, other: str) -> None:
    try:
        theirs = _read(other).models
    except WrongInput:  # said when it is that one which is needed
        return
    if shared := sorted(set(map(_folded, kind.models)) & set(map(_folded, theirs))):
        raise WrongInput(
            f"two targets claim the board '{shared[0]}': {name} and {other}",
            evidence="\n".join(f"{FOLDER / one}.yaml: models" for one in sorted((name, other))),
            remedy="let one of them have it: take it out of `models` in the other",
        )


def _folded(claim: str) -> str:
    """The same for two claims that a person takes for the same."""
    return " ".join(claim.split()).casefold()


def _read(name: str) -> Target:
    path = FOLDER / f"{name}.yaml"
    at = path.stat()
    return _parsed(path, at.st_mtime_ns, at.st_size)


@lru_cache(maxsize=64)
def _parsed(path: Path, _mtime_ns: int, _size: int) -> Target:
    """Each file is read once a process, and anew when it was changed."""
    return config.load(path, Target)
