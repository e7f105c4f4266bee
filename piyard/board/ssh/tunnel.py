"""A tunnel from a loopback port of this machine to one of a board's loopback, through SSH."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from piyard.core.errors import HostUnreachable

if TYPE_CHECKING:
    from paramiko import Channel, Transport

LOOPBACK = "127.0.0.1"
OPEN_LIMIT_S = 10
BLOCK = 1 << 16


@contextmanager
def open_tunnel(transport: Callable[[], Transport], name: str, port: int) -> Iterator[int]:
    """The port here that leads to the board's ``port`` while the block runs.

    Each connection takes the transport anew, as the link may have been opened again. Raises
    ``HostUnreachable`` where the board's sshd allows no tunnel.
    """
    with closing(_open_channel(transport(), name, port)):
        pass  # the board's answer, before a browser shows it
    listener = socket.create_server((LOOPBACK, 0))
    accepting = threading.Thread(
        target=_accept, args=(listener, transport, name, port), daemon=True
    )
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
        listener.close()
        accepting.join()


def _open_channel(transport: Transport, name: str, port: int) -> Channel:
    from paramiko import SSHException

    try:
        return transport.open_channel(
            "direct-tcpip", (LOOPBACK, port), (LOOPBACK, 0), timeout=OPEN_LIMIT_S
        )
    except SSHException as error:
        raise HostUnreachable(
            f"{name} opens no tunnel to its port {port}: {error}",
            remedy="does its sshd allow it? AllowTcpForwarding yes in /etc/ssh/sshd_config there",
        ) from None


def _accept(
    listener: socket.socket, transport: Callable[[], Transport], name: str, port: int
) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(
                target=_connect, args=(client, transport, name, port), daemon=True
            ).start()


def _connect(
    client: socket.socket, transport: Callable[[], Transport], name: str, port: int
) -> None:
    """Pass on what both sides send, until one ends; without a link the client is let go."""
    with (
        client,
        suppress(OSError, EOFError, HostUnreachable),
        closing(_open_channel(transport(), name, port)) as channel,
    ):
        upwards = threading.Thread(target=_pass_on, args=(client, channel), daemon=True)
        upwards.start()
        _pass_on(channel, client)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        upwards.join()


def _pass_on(source: socket.socket | Channel, sink: socket.socket | Channel) -> None:
    with suppress(OSError, EOFError):
        while block := source.recv(BLOCK):
            sink.sendall(block)
    with suppress(OSError, EOFError):
        sink.shutdown(socket.SHUT_WR)
