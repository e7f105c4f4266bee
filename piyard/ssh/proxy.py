"""The login settings of one host, and the socket to it.

The settings are those of ~/.ssh/config with each token and path expanded. The socket is a direct
one, or the streams of the user's ProxyCommand.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
from typing import Any

from piyard.address import on_the_wire
from piyard.ssh.settings import Settings

GRACE_S = 1


class ProxySocket(socket.socket):
    """One end of a socket pair; a command uses the other end, and ends with it."""

    process: subprocess.Popen[bytes]
    errors: Any
    guard: threading.Lock
    complaint = ""
    """The command's stderr, once it ended."""

    def close(self) -> None:
        """Close, and wait for the command, which ends when its connection is closed."""
        super().close()
        with self.guard:  # Paramiko's thread closes it too
            if not self.errors.closed:
                self._end()

    def _end(self) -> None:
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with self.errors:
            self.errors.seek(0)
            self.complaint = self.errors.read(2000).decode(errors="replace").strip()


def connect(settings: Settings, limit_s: float) -> socket.socket:
    """A connection to the host; raises ``OSError``."""
    return _by_command(settings) if settings.proxy else _direct(settings, limit_s)


def addresses(settings: Settings) -> list[tuple[Any, ...]]:
    """The host's network addresses; raises ``NoSuchHost`` or ``gaierror``."""
    name = on_the_wire(settings.host)
    return list(socket.getaddrinfo(name, settings.port, settings.family, socket.SOCK_STREAM))


def _by_command(settings: Settings) -> ProxySocket:
    """Run the ProxyCommand by the user's shell, as ssh does."""
    ours, theirs = socket.socketpair()
    sock = ProxySocket(fileno=ours.detach())
    sock.guard = threading.Lock()
    sock.errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the socket
    with theirs:
        sock.process = subprocess.Popen(
            [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {settings.proxy}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=sock.errors,
            start_new_session=True,
        )
    return sock


def _direct(settings: Settings, limit_s: float) -> socket.socket:
    """A connection to the first address of the host that answers."""
    failures: list[OSError] = []
    for family, socket_type, protocol, _, address in addresses(settings):
        sock = socket.socket(family, socket_type, protocol)
        try:
            sock.settimeout(limit_s)
            if settings.bind:
                sock.bind((settings.bind, 0))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failures.append(error)
        else:
            return sock
    raise failures[-1]
