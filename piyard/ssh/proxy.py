"""The way to a host: a socket of its own, or the streams of the user's ProxyCommand."""

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
    """One end of a pair; a command reads and writes at the other, and ends with it."""

    process: subprocess.Popen[bytes]
    errors: Any
    guard: threading.Lock
    complaint = ""
    """What the command said on stderr, once all is over."""

    def close(self) -> None:
        """End the command, which a closed connection does by itself, and soon."""
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
    """Where the host is on the network; raises ``NoSuchHost`` or ``gaierror``."""
    name = on_the_wire(settings.host)
    return list(socket.getaddrinfo(name, settings.port, settings.family, socket.SOCK_STREAM))


def _by_command(settings: Settings) -> ProxySocket:
    """As ssh does it: the user's shell runs the user's line."""
    ours, theirs = socket.socketpair()
    made = ProxySocket(fileno=ours.detach())
    made.guard = threading.Lock()
    made.errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the socket
    with theirs:
        made.process = subprocess.Popen(
            [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {settings.proxy}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=made.errors,
            start_new_session=True,
        )
    return made


def _direct(settings: Settings, limit_s: float) -> socket.socket:
    """The first address of the host that answers."""
    failures: list[OSError] = []
    for family, kind, protocol, _, address in addresses(settings):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(limit_s)
            if settings.bind:
                made.bind((settings.bind, 0))
            made.connect(address)
        except OSError as error:
            made.close()
            failures.append(error)
        else:
            return made
    raise failures[-1]
