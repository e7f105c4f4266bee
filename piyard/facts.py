"""What a board says of itself: read in one command, without root; what is missing is null."""

from __future__ import annotations

from typing import Any

import msgspec

from piyard.ssh import Session

NUMBERS = (
    "page_size",
    "cores",
    "memory_kb",
    "available_kb",
    "free_disk_kb",
    "max_khz",
    "temperature_mc",
    "clock",
)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A board at one moment; sizes in KiB, temperature in thousandths of a degree Celsius."""

    machine: str
    kernel: str | None = None
    model: str | None = None
    serial: str | None = None
    cmdline: str | None = None
    os: str | None = None
    page_size: int | None = None
    libc: str | None = None
    cores: int | None = None
    memory_kb: int | None = None
    available_kb: int | None = None
    free_disk_kb: int | None = None
    load: str | None = None
    governor: str | None = None
    max_khz: int | None = None
    temperature_mc: int | None = None
    throttled: str | None = None
    """The firmware's throttle word, ``0x0`` when all is well."""
    firmware: str | None = None
    features: str | None = None
    """Of the CPU, as /proc/cpuinfo names them; None where an emulator shows another CPU's."""
    boot_id: str | None = None
    uptime: str | None = None
    clock: int | None = None
    """The board's own clock, seconds since 1970: many a Pi has none that survives a cut."""

    @property
    def shows_emulation(self) -> bool:
        """Linux on arm64 names the CPU's features; qemu-user shows another machine's cpuinfo."""
        return self.machine == "aarch64" and self.features is None


def read(session: Session) -> Facts:
    """The facts of the board behind that session."""
    return parse(session.script("facts_now").out)


def parse(text: str) -> Facts:
    """Facts from ``name=value`` lines; an empty value is null."""
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    known = Facts.__struct_fields__
    told: dict[str, Any] = {n: value or None for n, value in pairs.items() if n in known}
    numbers = {name: _number(told.get(name)) for name in NUMBERS}
    machine = {"machine": told.get("machine") or "unknown"}
    return msgspec.convert(told | numbers | machine, Facts)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
