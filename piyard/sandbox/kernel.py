"""A sandbox of the kernel's own: Landlock for files, seccomp for everything else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from piyard import paths
from piyard.sandbox import landlock, seccomp

ENTER = Path(__file__).with_name("enter.py")
DEVICES = ("/dev/null",)
PUBLIC = (
    *("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"),
    *("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"),
    *("/dev/zero", "/dev/random", "/dev/urandom"),
)
"""What programs need to start; it holds nothing private."""
MAPPED = 2 << 30
"""Bytes of address space that torch reserves and does not use."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rights that are left to a process."""

    read: Sequence[str]
    write: Sequence[str]
    memory: int
    """Bytes of address space."""
    file_size: int
    """Bytes."""


def problem() -> str:
    """Why this kernel has no sandbox; empty where it has one."""
    if not sys.platform.startswith("linux"):
        return "not Linux"
    if not landlock.version():
        return "Landlock is missing or switched off (Linux 5.13 has it)"
    return "" if seccomp.is_known() else "seccomp is missing, or this processor is unknown"


def command(argv: Sequence[str], *, read: Sequence[Path], write: Sequence[Path]) -> list[str]:
    """The command that runs ``argv`` with access to these files and software only."""
    policy = Policy(
        read=[*PUBLIC, *map(str, software()), *map(str, read)],
        write=[*DEVICES, *map(str, write)],
        memory=memory() + MAPPED,
        file_size=memory(),
    )
    text = json.dumps(msgspec.to_builtins(policy))
    return [sys.executable, "-I", str(ENTER), text, *argv]


def software() -> list[Path]:
    """Python, its packages, and piyard's own."""
    packages = [Path(entry) for entry in sys.path if Path(entry).name.endswith("-packages")]
    folders = [Path(sys.base_prefix), Path(sys.prefix), *packages, paths.ROOT / "piyard"]
    return list(dict.fromkeys(folders))


def memory() -> int:
    """Bytes that a sandbox may take: three quarters of the machine's."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4
