"""A real SSH server on loopback, in this process: a board of this machine's own architecture.

Commands run here in a folder of the test's, so a handshake, keys, exit codes and time limits are
real while nothing needs emulation.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_SUCCEEDED,
)

from piyard.address import Address
from piyard.ssh import Login

USER = "pi"


class Sshd:
    """A listening server; ``home`` is the login folder, ``client_key`` the key that may log in."""

    def __init__(self, home: Path, keys: Path) -> None:
        self.home = home
        self.host_key = new_key(keys / "host")
        self.client_key_file = keys / "client"
        self.client_key = new_key(self.client_key_file)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.known_hosts = keys / "known_hosts"
        self.know(self.host_key)

    def know(self, key: paramiko.PKey) -> None:
        """Write the host key a client expects."""
        entry = f"[127.0.0.1]:{self.port} {key.get_name()} {key.get_base64()}\n"
        self.known_hosts.write_text(entry)

    @property
    def login(self) -> Login:
        address = Address(host="127.0.0.1", user=USER, port=self.port)
        return Login(address=address, key=self.client_key_file, known_hosts=self.known_hosts)

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files, self.home)
            transport.start_server(server=Server(self.client_key, self.home))


class Server(paramiko.ServerInterface):
    """Lets the one key in and runs what it is told."""

    def __init__(self, client_key: paramiko.PKey, home: Path) -> None:
        self.client_key, self.home = client_key, home

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        right = username == USER and key.asbytes() == self.client_key.asbytes()
        return int(AUTH_SUCCESSFUL if right else AUTH_FAILED)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: bytes) -> None:
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.home, capture_output=True, check=False
        )
        with suppress(OSError, EOFError):
            channel.sendall(done.stdout)
            channel.sendall_stderr(done.stderr)
            channel.send_exit_status(done.returncode if done.returncode >= 0 else 137)
            channel.close()


class Files(paramiko.SFTPServerInterface):
    """SFTP over the login folder."""

    def __init__(self, _server: paramiko.ServerInterface, home: Path) -> None:
        self.home = home

    def _at(self, path: str) -> Path:
        return self.home / path.lstrip("/")

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            entries = sorted(self._at(path).iterdir())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return [paramiko.SFTPAttributes.from_stat(e.stat(), e.name) for e in entries]

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._at(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def open(
        self, path: str, flags: int, attr: paramiko.SFTPAttributes
    ) -> paramiko.SFTPHandle | int:
        try:
            file = os.fdopen(
                os.open(self._at(path), flags, 0o666), "r+b" if flags & os.O_RDWR else
                "wb" if flags & os.O_WRONLY else "rb"
            )  # fmt: skip
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle = Handle(flags)
        handle.readfile = handle.writefile = file  # type: ignore[attr-defined]
        return handle


class Handle(paramiko.SFTPHandle):
    """An open file; paramiko reads and writes it through its two attributes."""

    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))  # type: ignore[attr-defined]


def new_key(path: Path) -> paramiko.PKey:
    """A fresh key pair, the private half in ``path``."""
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(path))
    return key


@contextmanager
def running(folder: Path) -> Iterator[Sshd]:
    """A server with its own keys and home below ``folder``."""
    (folder / "home").mkdir(parents=True)
    (folder / "keys").mkdir()
    server = Sshd(folder / "home", folder / "keys")
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.listener.close()
