"""A Target: a kind of board, as its YAML in targets/ describes it."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from piyard import config, paths
from piyard.config import Config

FOLDER = paths.ROOT / "targets"
NOT_TARGETS = frozenset({"fleet"})

Precision = Literal["fp32", "fp16", "bf16", "int8"]


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
    models: list[str] = field(default_factory=list)
    """How the board names itself in /proc/device-tree/model: the start of it."""
    page_size: int
    """Bytes; what is built must load with this page size and any smaller one."""
    precisions: list[Precision]
    """What a benchmark runs by default."""
    emulated_env: dict[str, str] = field(default_factory=dict)
    """Environment of every session on an emulated board of this kind."""
    cmake: dict[str, bool | str] = field(default_factory=dict)
    """ncnn options that differ from toolchains/ncnn.yaml."""


def load(name: str) -> Target:
    """The target of that name; an unknown one is an error with the nearest."""
    return config.load_named(FOLDER, "target", name, Target)


def names() -> list[str]:
    """All targets there are."""
    return [name for name in config.names(FOLDER) if name not in NOT_TARGETS]


def of_model(model: str) -> str | None:
    """The target whose boards name themselves so, if there is one."""
    return next((n for n in names() if model.startswith(tuple(load(n).models))), None)
