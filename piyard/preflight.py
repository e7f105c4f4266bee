"""Before anything is sent: can this board run the release? Each error names the remedy."""

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
"""What ``-march=…+x`` requires, as /proc/cpuinfo names it (Linux, arm64 hwcaps)."""
SPARE_KB = 32 * 1024


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a program and its model require of a board."""

    machine: str
    libraries: Sequence[str] = ()
    """Shared libraries; empty for a static program."""
    glibc: str | None = None
    """The oldest version that suffices."""
    page_alignment: int = 65536
    """Bytes; the board's pages may be as large."""
    features: frozenset[str] = frozenset()
    """CPU features as /proc/cpuinfo names them."""
    model_kb: int = 0
    """The weights, which stay in memory during a run."""


def needs_of(build: dict[str, Any], model_bytes: int) -> Needs:
    """The needs of a build's nnrun and of a model of that size."""
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
    """The CPU features that GCC's ``-march`` requires everywhere in the program."""
    named = march.split("+")[1:]
    return frozenset(NEEDS_OF_MARCH[name] for name in named if name in NEEDS_OF_MARCH)


def require(name: str, facts: Facts, needs: Needs) -> None:
    """Raise ``WrongBoard`` or ``WrongInput`` for the first need that is not met."""
    _require_machine(name, facts, needs)
    require_exec(name, facts)
    _require_features(name, facts, needs)
    _require_pages(name, facts, needs)
    _require_libc(name, facts, needs)
    _require_memory(name, facts, needs)


def require_exec(name: str, facts: Facts) -> None:
    """Raise ``WrongBoard`` where programs in the login folder cannot be executed."""
    if facts.mounted_noexec:
        raise WrongBoard(
            f"{name} executes no program in its login folder: {facts.mounted_noexec} is mounted "
            "noexec",
            remedy=f"allow it there: sudo mount -o remount,exec {facts.mounted_noexec}, and remove "
            "noexec from /etc/fstab",
        )


def _require_machine(name: str, facts: Facts, needs: Needs) -> None:
    if facts.machine != needs.machine:
        bits = "install the 64-bit Raspberry Pi OS on it, or name another --target"
        raise WrongBoard(f"{name} is {facts.machine}, and this is for {needs.machine}", remedy=bits)


def _require_features(name: str, facts: Facts, needs: Needs) -> None:
    lacking = needs.features - set(facts.features.split()) if facts.features else frozenset()
    if lacking:
        raise WrongBoard(
            f"{name}'s CPU has no {', '.join(sorted(lacking))}, which the build requires",
            remedy="build for its own target, or remove -march from the target's options",
        )


def _require_pages(name: str, facts: Facts, needs: Needs) -> None:
    if facts.page_size and facts.page_size > needs.page_alignment:
        raise WrongBoard(
            f"{name} has pages of {facts.page_size} bytes; the program is aligned for "
            f"{needs.page_alignment}",
            remedy="link with -Wl,-z,max-page-size=65536, or boot the 4 KiB kernel "
            "(kernel=kernel8.img in config.txt)",
        )


def _require_libc(name: str, facts: Facts, needs: Needs) -> None:
    if not needs.libraries or not needs.glibc:
        return
    has = (facts.libc or "").removeprefix("glibc ")
    if not has or _version(has) < _version(needs.glibc):
        raise WrongBoard(
            f"{name} has {facts.libc or 'no glibc'}; the program needs GLIBC {needs.glibc} and "
            f"{', '.join(needs.libraries)}",
            remedy="upgrade the board's system, or link statically (-static in the toolchain file)",
        )


def _require_memory(name: str, facts: Facts, needs: Needs) -> None:
    needed = needs.model_kb + SPARE_KB
    if facts.available_kb is not None and needed > facts.available_kb:
        raise WrongInput(
            f"{name} has {facts.available_kb // 1024} MB of memory available; the model's weights "
            f"alone are {needs.model_kb // 1024} MB",
            remedy="stop what else runs there (a desktop session?), or take a smaller model",
        )


def _version(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)]
