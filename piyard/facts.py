"""What a board says of itself: read in one command, without root; what is missing is null."""

from __future__ import annotations

from typing import Any

import msgspec

from piyard.ssh import Session

# Constant text: nothing a user typed is ever part of it.
SCRIPT = r"""
say() { printf '%s=%s\n' "$1" "$2"; }
first() { [ -r "$1" ] && tr -d '\000' < "$1" | head -n 1; }
say machine "$(uname -m)"
say kernel "$(uname -r)"
say model "$(first /proc/device-tree/model)"
say serial "$(first /proc/device-tree/serial-number)"
say cmdline "$(first /proc/cmdline)"
say os "$(. /etc/os-release 2> /dev/null; printf '%s' "${PRETTY_NAME:-}")"
say page_size "$(getconf PAGESIZE 2> /dev/null)"
say libc "$(getconf GNU_LIBC_VERSION 2> /dev/null)"
say cores "$(getconf _NPROCESSORS_ONLN 2> /dev/null)"
say memory_kb "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)"
say available_kb "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)"
say free_disk_kb "$(df -Pk . | awk 'NR == 2 { print $4 }')"
say load "$(first /proc/loadavg)"
say governor "$(first /sys/devices/system/cpu/cpufreq/policy0/scaling_governor)"
say max_khz "$(first /sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq)"
say temperature_mc "$(first /sys/class/thermal/thermal_zone0/temp)"
say throttled "$(vcgencmd get_throttled 2> /dev/null | cut -d = -f 2)"
say firmware "$(vcgencmd bootloader_version 2> /dev/null | head -n 1)"
"""

NUMBERS = (
    "page_size",
    "cores",
    "memory_kb",
    "available_kb",
    "free_disk_kb",
    "max_khz",
    "temperature_mc",
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


def read(session: Session) -> Facts:
    """The facts of the board behind that session."""
    return parse(session.script(SCRIPT).out)


def parse(text: str) -> Facts:
    """Facts from ``name=value`` lines; an empty value is null."""
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    told: dict[str, Any] = {name: value or None for name, value in pairs.items()}
    numbers = {name: _number(told.get(name)) for name in NUMBERS}
    machine = {"machine": told.get("machine") or "unknown"}
    return msgspec.convert(told | numbers | machine, Facts)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
