"""What a program requires of its machine is read from its ELF headers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

MACHINES = {"EM_AARCH64": "aarch64", "EM_X86_64": "x86_64", "EM_ARM": "armv7l"}


class ElfFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A program's requirements: machine, libraries and GLIBC, page alignment."""

    machine: str
    static: bool
    needed: list[str]
    """Shared libraries, empty for a static program."""
    glibc: str | None
    """The newest GLIBC version of any symbol, None for a static program."""
    page_alignment: int
    """Bytes; the program loads on any page size up to it."""
    stripped: bool


def read(path: Path) -> ElfFacts:
    """The facts of an ELF file (System V ABI, gABI chapters 4 and 5; LSB for symbol versions)."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as stream:
        elf = ELFFile(stream)
        needed = _needed(elf)
        return ElfFacts(
            machine=MACHINES.get(elf["e_machine"], str(elf["e_machine"])),
            static=_interpreter(elf) is None and not needed,
            needed=needed,
            glibc=_newest_glibc(elf),
            page_alignment=min(s["p_align"] for s in elf.iter_segments("PT_LOAD")),
            stripped=elf.get_section_by_name(".symtab") is None,
        )


def _interpreter(elf: ELFFile) -> str | None:
    segments: Any = elf.iter_segments("PT_INTERP")
    return next((segment.get_interp_name() for segment in segments), None)


def _needed(elf: ELFFile) -> list[str]:
    dynamic: Any = elf.get_section_by_name(".dynamic")
    tags = dynamic.iter_tags("DT_NEEDED") if dynamic else ()
    return [str(tag.needed) for tag in tags]


def _newest_glibc(elf: ELFFile) -> str | None:
    section: Any = elf.get_section_by_name(".gnu.version_r")
    names = [aux.name for _, auxes in section.iter_versions() for aux in auxes] if section else []
    versions = [m[1] for name in names if (m := re.fullmatch(r"GLIBC_(\d+(?:\.\d+)*)", name))]
    return max(versions, key=lambda text: [int(part) for part in text.split(".")], default=None)
