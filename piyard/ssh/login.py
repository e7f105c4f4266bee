"""How to log in to a host: the hops on the way, each with its settings and the keys offered to it.

Keys are offered in ssh's order; if none is accepted, the error says why.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.address import Address
from piyard.errors import WrongInput
from piyard.ssh import hostkeys, settings
from piyard.ssh.identities import Identities
from piyard.ssh.settings import Settings

if TYPE_CHECKING:
    from paramiko import Transport

CONNECT_LIMIT_S = 10
MOST_HOPS = 8
QUICK = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How to log in to a host."""

    address: Address
    name: str = ""
    """The user's name for the host; without it the address."""
    key: Path | None = None
    """A private key; without it the user's agent, keys and ~/.ssh/config are used."""
    known_hosts: Path | None = None
    """The only file of accepted host keys; without it the user's and piyard's own. For a host with
    this file the user's configuration is not read: everything is known."""
    jump: Address | None = None
    """A jump host; without it ~/.ssh/config's ProxyJump."""

    @property
    def title(self) -> str:
        """The host's name in messages."""
        return self.name or str(self.address)


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One host on the way; the last one is the board."""

    title: str
    settings: Settings
    connection: Any
    """Fabric's, not yet open."""


def hops(login: Login) -> list[Hop]:
    """The hosts on the way to the board, and the board; the host key of each is checked.

    Raises ``WrongInput`` for a configuration that cannot be read, or whose jumps are a circle.
    """
    return [_hop(title, host, login.known_hosts) for title, host in route(login)]


def route(login: Login) -> list[tuple[str, Settings]]:
    """The title and settings of each host on the way; connects to none."""
    if login.known_hosts:
        return [(login.title, settings.given(login.address, login.key))]
    host = settings.of(login.address, login.key)
    if login.jump:
        host = msgspec.structs.replace(host, jumps=(login.jump,), proxy="")
    return _before(login.title, host, 0)


def _before(title: str, host: Settings, depth: int) -> list[tuple[str, Settings]]:
    """The host, after its jump hosts; the first of them may have jump hosts of its own."""
    if depth > MOST_HOPS:
        raise WrongInput(
            f"~/.ssh/config: the ProxyJump of {title} leads in a circle",
            remedy="set ProxyJump none for the host that is reached directly",
        )
    if host.proxy or not host.jumps:
        return [(title, host)]
    first, *rest = host.jumps
    before = _before(str(first), settings.of(first), depth + 1)
    after = [(str(jump), settings.of(jump)) for jump in rest]
    return [*before, *after, (title, host)]


def _hop(title: str, host: Settings, only: Path | None) -> Hop:
    import fabric
    import paramiko

    connection = fabric.Connection(
        host.host,
        user=host.user,
        port=host.port,
        # An empty configuration: Fabric must not read the user's, which ssh has read already.
        config=fabric.Config(ssh_config=paramiko.SSHConfig()),
        connect_kwargs=_options(host),
        connect_timeout=limit_of(host),
    )
    hostkeys.check(connection.client, only, hostkeys.trust_of(host))
    return Hop(title=title, settings=host, connection=connection)


def limit_of(host: Settings) -> int:
    """Seconds for each step of the login."""
    return host.connect_limit_s or CONNECT_LIMIT_S


def _options(host: Settings) -> dict[str, Any]:
    return {
        "banner_timeout": limit_of(host),
        "auth_timeout": limit_of(host),
        "transport_factory": _transport,
        "auth_strategy": Identities(host),
        "compress": host.compress,
    }


def _transport(sock: Any, **options: Any) -> Transport:
    """A faster transport of Paramiko's: no delay of small packets, and AES-GCM first."""
    import paramiko

    if getattr(sock, "family", None) in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    first = [cipher for cipher in QUICK if cipher in security.ciphers]
    security.ciphers = [*first, *(c for c in security.ciphers if c not in first)]
    return transport
