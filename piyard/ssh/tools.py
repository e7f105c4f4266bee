"""Errors of the network, of Paramiko and of boards without the programs piyard needs there.

Each becomes one of piyard's errors: one line, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence

from piyard.errors import WrongBoard
from piyard.ssh.talk import Outcome

LACKS = "lacks"
"""A board reports missing programs on stderr by this word, its package manager, and names."""
NO_SUCH_COMMAND = 127
INSTALL = {
    "apt-get": "sudo apt-get install",
    "apk": "sudo apk add",
    "dnf": "sudo dnf install",
    "pacman": "sudo pacman -S",
    "zypper": "sudo zypper install",
    "opkg": "opkg install",
}
"""Package managers as a board reports them, and how each installs packages."""
UTIL_LINUX = frozenset({"flock", "setsid"})
SEPARATE = frozenset({"awk", "grep", "gzip", "sed", "tar", "zstd"})
PACKAGES = {"awk": "gawk"}


def missing_tools(name: str, outcome: Outcome) -> WrongBoard | None:
    """The error for a command that misses programs on the board; None if there are all."""
    if outcome.code != NO_SUCH_COMMAND:
        return None
    for line in outcome.err.splitlines():
        word, *rest = line.split()[:40] or [""]
        if word == LACKS and len(rest) > 1:
            return lacks(name, rest[1:], rest[0])
    return None


def lacks(name: str, tools: Sequence[str], manager: str) -> WrongBoard:
    """The error for a board without these programs."""
    return WrongBoard(
        f"{name} has no {', '.join(tools)}, which piyard needs there",
        remedy=f"install there: {install(tools, manager)}",
    )


def install(tools: Sequence[str], manager: str) -> str:
    """The command that installs these programs, or just the names of their packages."""
    packages = sorted({_package(tool, manager) for tool in tools})
    return " ".join([INSTALL.get(manager, "the packages"), *packages])


def _package(tool: str, manager: str) -> str:
    if tool in SEPARATE:
        return PACKAGES.get(tool, tool)
    if manager == "opkg":  # one package for each program
        return tool if tool in UTIL_LINUX else f"coreutils-{tool}"
    return "util-linux" if tool in UTIL_LINUX else "coreutils"
