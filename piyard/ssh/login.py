"""How to get into a host: the hops on the way to it, each with what ~/.ssh/config says of it."""

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
    """How to get into a host."""

    address: Address
    name: str = ""
    """What the user calls the host; without it the address."""
    key: Path | None = None
    """A private key; without it the user's agent, keys and ~/.ssh/config serve."""
    known_hosts: Path | None = None
    """The only file whose host keys count; without it the user's and piyard's own. The user's
    configuration is not asked of a host that has it: all of it is known."""
    jump: Address | None = None
    """A host to go through; without it ~/.ssh/config's ProxyJump."""

    @property
    def title(self) -> str:
        """The host's name in messages."""
        return self.name or str(self.address)


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One host on the way, the last of which is the board; its connection is not yet open."""

    title: str
    settings: Settings
    connection: Any
    """Fabric's, not yet open."""


def hops(login: Login) -> list[Hop]:
    """The hosts on the way to the board, and the board, whose keys are checked at each.

    Raises ``WrongInput`` for a configuration that cannot be read, or goes round in circles.
    """
    return [_hop(title, found, login.known_hosts) for title, found in route(login)]


def route(login: Login) -> list[tuple[str, Settings]]:
    """What each host on the way is called, and how to get into it; asks no host."""
    if login.known_hosts:
        return [(login.title, settings.given(login.address, login.key))]
    found = settings.of(login.address, login.key)
    if login.jump:
        found = msgspec.structs.replace(found, jumps=(login.jump,), proxy="")
    return _before(login.title, found, 0)


def _before(title: str, found: Settings, deep: int) -> list[tuple[str, Settings]]:
    """The host, after those that it is reached through; the first of them has its own way."""
    if deep > MOST_HOPS:
        raise WrongInput(
            f"~/.ssh/config: the ProxyJump of {title} leads in a circle",
            remedy="write ProxyJump none for the host that is reached directly",
        )
    if found.proxy or not found.jumps:
        return [(title, found)]
    first, *rest = found.jumps
    way = _before(str(first), settings.of(first), deep + 1)
    later = [(str(jump), settings.of(jump)) for jump in rest]
    return [*way, *later, (title, found)]


def _hop(title: str, found: Settings, only: Path | None) -> Hop:
    import fabric
    import paramiko

    connection = fabric.Connection(
        found.host,
        user=found.user,
        port=found.port,
        # An empty configuration: Fabric is not to read the user's, which ssh has answered.
        config=fabric.Config(ssh_config=paramiko.SSHConfig()),
        connect_kwargs=_options(found),
        connect_timeout=limit_of(found),
    )
    hostkeys.check(connection.client, only, hostkeys.trust_of(found))
    return Hop(title=title, settings=found, connection=connection)


def limit_of(found: Settings) -> int:
    """Seconds for each step until we are in."""
    return found.connect_limit_s or CONNECT_LIMIT_S


def _options(found: Settings) -> dict[str, Any]:
    return {
        "banner_timeout": limit_of(found),
        "auth_timeout": limit_of(found),
        "transport_factory": _transport,
        "auth_strategy": Identities(found),
        "compress": found.compress,
    }


def _transport(sock: Any, **options: Any) -> Transport:
    """Paramiko's transport, quicker: small packets go at once, and one pass does cipher and MAC."""
    import paramiko

    if getattr(sock, "family", None) in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made = paramiko.Transport(sock, **options)
    security = made.get_security_options()
    first = [cipher for cipher in QUICK if cipher in security.ciphers]
    security.ciphers = [*first, *(c for c in security.ciphers if c not in first)]
    return made
