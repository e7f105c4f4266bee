"""Unit tests cannot touch Docker, the network, SSH or the user's files, even by accident."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
FORBIDDEN = {"docker", "dockerd", "ssh", "scp", "mmdebstrap", "apt-get", "pip"}


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Artifacts, caches and keys go to a folder of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "no-fleet.yaml"))
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    for name in (
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DOCKER_HOST"),
        *("PIYARD_MIRROR", "PIYARD_STRICT_HOST_KEYS"),
        "COLUMNS",  # pytest-xdist sets it
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets reach loopback servers only, and no program of the outside world starts."""
    connect, popen = socket.socket.connect, subprocess.Popen.__init__

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if not (isinstance(address, tuple) and address[0] in LOOPBACK):
            raise AssertionError(f"a unit test reached for {address}")
        connect(self, address)

    def guarded_popen(self: Any, args: Any, *rest: Any, **named: Any) -> None:
        program = Path(args if isinstance(args, str) else args[0]).name
        if program in FORBIDDEN:
            raise AssertionError(f"a unit test started {program}")
        popen(self, args, *rest, **named)

    def no_ssh(*_args: Any, **_named: Any) -> None:
        raise AssertionError("a unit test reached for SSH")

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(subprocess.Popen, "__init__", guarded_popen)
    monkeypatch.setattr("paramiko.SSHClient.connect", no_ssh)
