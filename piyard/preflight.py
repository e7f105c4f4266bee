"""Before a byte travels: can this board run what comes? Each refusal names the remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from piyard.errors import WrongBoard, WrongInput
from piyard.facts import Facts

NEEDS_OF_MARCH = {
    "fp16": "asimdhp",
    "dotprod": "asimddp",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
}
"""What ``-march=…+x`` takes for granted, as /proc/cpuinfo names it (Linux, arm64 hwcaps)."""
SPARE_KB = 32 * 1024


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a program and its model ask of a board."""

    machine: str
    libraries: Sequence[str] = ()
    """Shared libraries, none for a static program."""
    glibc: str | None = None
    """The oldest that will do."""
    page_alignment: int = 65536
    """Bytes; pages may be as large."""
    features: frozenset[str] = frozenset()
    """CPU features as /proc/cpuinfo names them."""
    model_kb: int = 0
    """The weights, which are in memory while it runs."""


def needs_of(build: dict[str, Any], model_bytes: int) -> Needs:
    """What a build's manifest says of its nnrun, and a model of that size."""
    elf = build["elf"]
    return Needs(
        machine=elf["machine"],
        libraries=elf["needed"],
        glibc=elf["glibc"],
        page_alignment=elf["page_alignment"],
        features=features_of(build["cpu"]["required"]),
        model_kb=model_bytes // 1024,
    )


def features_of(march: str) -> frozenset[str]:
    """The CPU features that GCC's ``-march`` takes for granted everywhere in the program."""
    named = march.split("+")[1:]
    return frozenset(NEEDS_OF_MARCH[name] for name in named if name in NEEDS_OF_MARCH)


def require(name: str, told: Facts, needs: Needs) -> None:
    """Raise ``WrongBoard`` or ``WrongInput`` for the first thing that stands in the way."""
    _require_machine(name, told, needs)
    require_exec(name, told)
    _require_features(name, told, needs)
    _require_pages(name, told, needs)
    _require_libc(name, told, needs)
    _require_memory(name, told, needs)


def require_exec(name: str, told: Facts) -> None:
    """Raise ``WrongBoard`` where no program may be started from the login folder."""
    if told.mounted_noexec:
        raise WrongBoard(
            f"{name} starts no program from its login folder: {told.mounted_noexec} is mounted "
            "noexec",
            remedy=f"allow it there: sudo mount -o remount,exec {told.mounted_noexec}, and take "
            "noexec out of /etc/fstab",
        )


def _require_machine(name: str, told: Facts, needs: Needs) -> None:
    if told.machine != needs.machine:
        bits = "install the 64-bit Raspberry Pi OS on it, or name another --target"
        raise WrongBoard(f"{name} is {told.machine}, and this is for {needs.machine}", remedy=bits)


def _require_features(name: str, told: Facts, needs: Needs) -> None:
    lacking = needs.features - set(told.features.split()) if told.features else frozenset()
    if lacking:
        raise WrongBoard(
            f"{name}'s CPU has no {', '.join(sorted(lacking))}, which the build takes for granted",
            remedy="build for its own target, or take -march out of the target's options",
        )


def _require_pages(name: str, told: Facts, needs: Needs) -> None:
    if told.page_size and told.page_size > needs.page_alignment:
        raise WrongBoard(
            f"{name} has pages of {told.page_size} bytes; the program is aligned for "
            f"{needs.page_alignment}",
            remedy="link with -Wl,-z,max-page-size=65536, or boot the 4 KiB kernel "
            "(kernel=kernel8.img in config.txt)",
        )


def _require_libc(name: str, told: Facts, needs: Needs) -> None:
    if not needs.libraries or not needs.glibc:
        return
    has = (told.libc or "").removeprefix("glibc ")
    if not has or _version(has) < _version(needs.glibc):
        raise WrongBoard(
            f"{name} has {told.libc or 'no glibc'}; the program needs GLIBC {needs.glibc} and "
            f"{', '.join(needs.libraries)}",
            remedy="upgrade the board's system, or link statically (-static in the toolchain file)",
        )


def _require_memory(name: str, told: Facts, needs: Needs) -> None:
    needed = needs.model_kb + SPARE_KB
    if told.available_kb is not None and needed > told.available_kb:
        raise WrongInput(
            f"{name} has {told.available_kb // 1024} MB of memory available; the model's weights "
            f"alone are {needs.model_kb // 1024} MB",
            remedy="stop what else runs there (a desktop session?), or take a smaller model",
        )


def _version(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)]
