"""Facts of a board, read in one command without root; what is missing is null."""

from __future__ import annotations

import re
from functools import cache

import msgspec

from piyard.board.ssh.session import Session
from piyard.core.errors import WrongBoard

FACT_NUMBER = re.compile(r"-?[0-9]{1,18}")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A board at one moment; sizes in KiB, temperature in thousandths of a degree Celsius.

    A deploy reads all but the supply, the desktop session and the GPU's firmware, which cost more.
    """

    machine: str
    kernel: str | None = None
    model: str | None = None
    serial: str | None = None
    revision: str | None = None
    """The board's revision code, hexadecimal, as /proc/cpuinfo shows it."""
    soc: str | None = None
    """Broadcom's name of the chip: ``bcm2712``."""
    cmdline: str | None = None
    """Of the kernel; on a Pi 5 it shows whether memory is interleaved (``numa=fake=``)."""
    os: str | None = None
    page_size: int | None = None
    libc: str | None = None
    cores: int | None = None
    memory_kb: int | None = None
    available_kb: int | None = None
    swap_total_kb: int | None = None
    swap_kb: int | None = None
    """Swap in use."""
    free_disk_kb: int | None = None
    mounted_noexec: str | None = None
    """Where the disk of the login folder is mounted, if no program may be started from it."""
    load: str | None = None
    governor: str | None = None
    low_khz: int | None = None
    """The lowest clock the governor may choose."""
    high_khz: int | None = None
    """The highest one it may choose."""
    min_khz: int | None = None
    """The lowest clock of the hardware."""
    max_khz: int | None = None
    temperature_mc: int | None = None
    throttled: str | None = None
    """The firmware's throttle word, ``0x0`` when all is well."""
    fan_rpm: int | None = None
    fan_state: int | None = None
    """The step of the fan's curve, 0 while it is off; None without a fan."""
    supply_ma: int | None = None
    """The current negotiated with the supply: 5000, or 3000 for a weaker one."""
    desktop: str | None = None
    """A process of a graphical session, or ``none``; None where processes are hidden."""
    firmware: str | None = None
    """Date and time of the bootloader (EEPROM)."""
    firmware_version: str | None = None
    gpu_firmware: str | None = None
    """Date and time of the firmware that runs on the GPU."""
    features: str | None = None
    """Of the CPU, as /proc/cpuinfo names them; None where an emulator shows another CPU's."""
    decoders: str | None = None
    """Programs there that read films, streams and cameras, with blanks between, or ``none``."""
    boot_id: str | None = None
    uptime: str | None = None
    clock: int | None = None
    """The board's own clock, seconds since 1970; a Pi without a battery loses it with its power."""

    @property
    def shows_emulation(self) -> bool:
        """Linux on arm64 names the CPU's features; qemu-user shows another machine's cpuinfo."""
        return self.machine == "aarch64" and self.features is None


def read_facts(session: Session) -> Facts:
    """All facts of the board behind that session."""
    return parse_facts(session.script("facts_now").out)


def parse_facts(text: str) -> Facts:
    """Facts from ``name=value`` lines; an empty value is null."""
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    fields = Facts.__struct_fields__
    texts: dict[str, str | None] = {n: value or None for n, value in pairs.items() if n in fields}
    numbers = {name: _parse_number(texts.get(name)) for name in _number_fields()}
    machine = {"machine": texts.get("machine") or "unknown"}
    return msgspec.convert({**texts, **numbers, **machine}, Facts)


def _parse_number(text: str | None) -> int | None:
    return int(text) if text and FACT_NUMBER.fullmatch(text) else None


@cache
def _number_fields() -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(Facts) if field.type == int | None)


def facts_row(name: str, facts: Facts) -> list[str]:
    """Board, model, system, kernel, memory, page size, free disk, load."""
    return [
        *(name, facts.model or "N/A", facts.os or "N/A", facts.kernel or "N/A"),
        *(megabytes(facts.memory_kb), str(facts.page_size or "N/A"), megabytes(facts.free_disk_kb)),
        (facts.load or "N/A").split(" ")[0],
    ]


def megabytes(kilo: int | None) -> str:
    return "N/A" if kilo is None else str(kilo // 1024)


def require_exec(name: str, facts: Facts) -> None:
    """Raise ``WrongBoard`` where programs in the login folder cannot be executed."""
    if facts.mounted_noexec:
        raise WrongBoard(
            f"{name} executes no program in its login folder: {facts.mounted_noexec} is mounted "
            "noexec",
            remedy=f"allow it there: sudo mount -o remount,exec {facts.mounted_noexec}, and remove "
            "noexec from /etc/fstab",
        )
