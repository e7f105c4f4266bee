"""Errors of the network, of Paramiko and of boards without the programs piyard needs there.

Each becomes one of piyard's errors: one line, and what to do about it.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from piyard.board.ssh.hostkeys import fingerprint
from piyard.board.ssh.login import LOCKED
from piyard.core.errors import (
    PROGRAM,
    BoardCommandFailed,
    BoardDiskFull,
    HostKeyChanged,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    WrongBoard,
)


class TooMuchOutput(Exception):
    """More output than is held in memory."""


class CommandNotBegun(TimeoutError):
    """The login shell did not start our command; ``noise`` is its own output."""

    def __init__(self, noise: bytes) -> None:
        super().__init__("the login shell did not run the command")
        self.noise = noise.decode(errors="replace")


UNREACHABLE_ERRNOS = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT}


@contextmanager
def translate_errors(name: str) -> Iterator[None]:
    """Translate errors on the way to the host of that name to piyard's."""
    import paramiko

    try:
        yield
    except CommandNotBegun as error:
        raise _shell_hangs(name, error) from None
    except TooMuchOutput as error:
        raise BoardCommandFailed(
            f"{name} sends {error}: no command needs that much",
            remedy=f"{PROGRAM} fleet.doctor checks the board",
        ) from None
    except paramiko.BadHostKeyException as error:
        raise _host_key_changed(name, error) from None
    except paramiko.AuthenticationException as error:
        raise _key_rejected(name, error) from None
    except socket.gaierror as error:
        raise NoSuchHost(
            f"no host '{name}'", evidence=str(error), remedy="check the name, or use its address"
        ) from None
    except paramiko.ssh_exception.IncompatiblePeer as error:
        raise _no_common_algorithm(name, error) from None
    except (paramiko.SSHException, TimeoutError, ConnectionError, EOFError) as error:
        raise unreachable(name, error) from None
    except OSError as error:
        away = isinstance(error, paramiko.ssh_exception.NoValidConnectionsError)
        if away or error.errno in UNREACHABLE_ERRNOS or "closed" in str(error):
            raise unreachable(name, error) from None
        raise


def unreachable(name: str, error: BaseException) -> HostUnreachable:
    """The error for a host that does not answer, or no longer."""
    return HostUnreachable(
        f"{name} does not answer over SSH",
        evidence=str(error) or type(error).__name__,
        remedy="is the board powered, on the network, and is sshd enabled (raspi-config)? is this "
        "machine too busy for an emulated one?",
    )


def not_begun(name: str, noise: str) -> BoardCommandFailed:
    """The error for a login shell that ended without running our command."""
    return BoardCommandFailed(
        f"{name} logged us in, but its login shell did not run our command",
        evidence=noise.strip()[-500:],
        remedy="give that user a shell that runs commands (chsh), with start-up files (~/.bashrc) "
        f"that leave non-interactive shells alone; try: ssh {name} true",
    )


def no_session(name: str, error: BaseException) -> HostUnreachable:
    """The error for a board whose sshd opens no session."""
    return HostUnreachable(
        f"{name} logged us in, but refuses a session",
        evidence=str(error),
        remedy="raise MaxSessions in the board's /etc/ssh/sshd_config; piyard needs 1 at a time",
    )


def disk_full(name: str, evidence: str) -> BoardDiskFull:
    """The error for a full disk on a board."""
    return BoardDiskFull(
        f"{name}: the board's disk is full",
        evidence=evidence[-500:],
        remedy=f"free some space there: {PROGRAM} fleet.gc --host {name} removes old releases",
    )


def _no_common_algorithm(name: str, error: BaseException) -> HostUnreachable:
    return HostUnreachable(
        f"{name} and piyard have no cipher in common",
        evidence=str(error),
        remedy="update the board's sshd, or allow current algorithms in its sshd_config",
    )


def _shell_hangs(name: str, error: CommandNotBegun) -> HostUnreachable:
    return HostUnreachable(
        f"{name} logged us in, but its login shell did not start our command",
        evidence=error.noise.strip()[-500:],
        remedy="does the board hang, or do the shell's start-up files (~/.bashrc) wait for "
        "something? They must leave non-interactive shells alone",
    )


def _key_rejected(name: str, error: BaseException) -> KeyRejected:
    return KeyRejected(
        f"{name} does not accept our key",
        evidence=str(error),
        remedy="unlock the key for this session: eval $(ssh-agent), ssh-add KEY"
        if LOCKED in str(error)
        else "copy your key there with ssh-copy-id, or name the right user: user@host",
    )


def _host_key_changed(name: str, error: Any) -> HostKeyChanged:
    return HostKeyChanged(
        f"{name} shows another host key than the one known",
        evidence=f"known {fingerprint(error.expected_key.asbytes())}\n"
        f"shown {fingerprint(error.key.asbytes())}",
        remedy=f"if the board was reflashed: {PROGRAM} fleet.trust --host {name}; if not, somebody "
        "may be listening in",
    )


LACKS = "lacks"
"""A board reports missing programs on stderr by this word, its package manager, and names."""

INSTALL_COMMANDS = {
    "apt-get": "sudo apt-get install",
    "apk": "sudo apk add",
    "dnf": "sudo dnf install",
    "pacman": "sudo pacman -S",
    "zypper": "sudo zypper install",
    "opkg": "opkg install",
}
"""Package managers as a board reports them, and how each installs packages."""
UTIL_LINUX = frozenset({"flock", "setsid"})
OWN_PACKAGES = frozenset({"awk", "grep", "gzip", "sed", "tar", "zstd"})
PACKAGE_NAMES = {"awk": "gawk"}


def tools_missing(name: str, tools: Sequence[str], manager: str) -> WrongBoard:
    """The error for a board without these programs."""
    return WrongBoard(
        f"{name} has no {', '.join(tools)}, which piyard needs there",
        remedy=f"install there: {install_command(tools, manager)}",
    )


def install_command(tools: Sequence[str], manager: str) -> str:
    """The command that installs these programs, or just the names of their packages."""
    packages = sorted({_package(tool, manager) for tool in tools})
    return " ".join([INSTALL_COMMANDS.get(manager, "the packages"), *packages])


def _package(tool: str, manager: str) -> str:
    if tool in OWN_PACKAGES:
        return PACKAGE_NAMES.get(tool, tool)
    if manager == "opkg":  # one package for each program
        return tool if tool in UTIL_LINUX else f"coreutils-{tool}"
    return "util-linux" if tool in UTIL_LINUX else "coreutils"
