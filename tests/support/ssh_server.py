"""A real SSH server on loopback, in this process: a board of this machine's own architecture.

Commands run here in a folder of the test's, so a handshake, keys, exit codes and time limits are
real while nothing needs emulation.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
)

from piyard.board.ssh.address import Address
from piyard.board.ssh.login import Login

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
        self.password = ""
        """When there is one, it opens the board too."""
        self.logins: list[str] = []
        """Who tried to log in, each with the type of a key."""
        self.most_sessions = 0
        """How many sessions a connection may have at a time; 0 sets no limit."""
        self.shell = ["sh"]
        self.allows_tunnels, self.tunnels = False, 0
        """Whether clients may go through to ports here, and how often they did."""
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
            server = Server(self)
            server.transport = transport
            transport.start_server(server=server)


class Server(paramiko.ServerInterface):
    """Lets the one key in and runs what it is told."""

    def __init__(self, sshd: Sshd) -> None:
        self.client_key, self.home, self.password = sshd.client_key, sshd.home, sshd.password
        self.sshd, self.sessions = sshd, 0
        self.transport: paramiko.Transport | None = None

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.sshd.logins.append(f"{username} {key.get_name()}")
        right = username == USER and key.asbytes() == self.client_key.asbytes()
        return int(AUTH_SUCCESSFUL if right else AUTH_FAILED)

    def check_auth_password(self, username: str, password: str) -> int:
        right = self.password and username == USER and password == self.password
        return int(AUTH_SUCCESSFUL if right else AUTH_FAILED)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password" if self.password else "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind == "session" and 0 < self.sshd.most_sessions <= self.sessions:
            return int(OPEN_FAILED_CONNECT_FAILED)
        self.sessions += kind == "session"
        return int(OPEN_SUCCEEDED)

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if not self.sshd.allows_tunnels:
            return int(OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)
        try:
            there = socket.create_connection(destination, timeout=10)
        except OSError:
            return int(OPEN_FAILED_CONNECT_FAILED)
        self.sshd.tunnels += 1
        threading.Thread(target=self._tunnel, args=(chanid, there), daemon=True).start()
        return int(OPEN_SUCCEEDED)

    def _tunnel(self, chanid: int, there: socket.socket) -> None:
        """Pass on what both sides send, once the client has heard that it may."""
        with there:
            there.settimeout(None)
            assert self.transport
            channel = self.transport.accept(10)
            while channel is not None and channel.get_id() != chanid:
                channel = self.transport.accept(10)
            if channel is None:
                return
            up = threading.Thread(target=_pump, args=(channel, there), daemon=True)
            up.start()
            _pump(there, channel)
            channel.close()
            up.join(10)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        # The answer to the request has to leave before a command that ends at once does.
        soon = threading.Timer(0.02, self._run, args=(channel, command))
        soon.daemon = True
        soon.start()
        return True

    def _run(self, channel: paramiko.Channel, command: bytes) -> None:
        with subprocess.Popen(
            [*self.sshd.shell, "-c", command],
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        ) as running:
            feeder = threading.Thread(target=_feed, args=(channel, running), daemon=True)
            feeder.start()
            errors = threading.Thread(
                target=_pass_on, args=(running.stderr, channel.sendall_stderr), daemon=True
            )
            errors.start()
            _pass_on(running.stdout, channel.sendall)
            errors.join()
            code = running.wait()
        self.sessions -= 1
        with suppress(OSError, EOFError):
            channel.send_exit_status(code if code >= 0 else 137)
            channel.close()


def _feed(channel: paramiko.Channel, running: subprocess.Popen[bytes]) -> None:
    """What the client sends is the command's input; where it ends, the input ends."""
    assert running.stdin
    with suppress(OSError), running.stdin:
        while block := channel.recv(1 << 18):
            running.stdin.write(block)


def _pass_on(stream: Any, send: Callable[[bytes], None]) -> None:
    with suppress(OSError, EOFError):
        while block := stream.read(1 << 16):
            send(block)


def _pump(source: Any, sink: Any) -> None:
    with suppress(OSError, EOFError):
        while block := source.recv(1 << 16):
            sink.sendall(block)
    with suppress(OSError, EOFError):
        sink.shutdown(socket.SHUT_WR)


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
        # Whoever waits in accept keeps the port, and may get the next server's clients.
        with suppress(OSError):
            server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
