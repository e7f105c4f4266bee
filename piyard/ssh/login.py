"""How to get into a host, and the Fabric connection that follows from it and ~/.ssh/config."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.address import DEFAULT_PORT, DEFAULT_USER, Address
from piyard.ssh import hostkeys

if TYPE_CHECKING:
    from fabric import Config, Connection
    from paramiko import Transport

CONNECT_LIMIT_S = 10
QUICK = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How to get into a host."""

    address: Address
    name: str = ""
    """What the user calls the host; without it the address."""
    key: Path | None = None
    """A private key; without it the user's agent, keys and ~/.ssh/config serve."""
    known_hosts: Path | None = None
    """The only file whose host keys count; without it the user's and piyard's own."""
    jump: Address | None = None
    """A host to go through; without it ~/.ssh/config's ProxyJump."""

    @property
    def title(self) -> str:
        """The host's name in messages."""
        return self.name or str(self.address)


def connection(login: Login) -> Connection:
    """A Fabric connection, not yet open, that checks host keys at each hop."""
    import fabric

    config = fabric.Config()
    gateway = _one(login.jump, config, None, {}) if login.jump else None
    made = _one(login.address, config, gateway, _key_options(login))
    hop, only = made, login.known_hosts
    while isinstance(hop, fabric.Connection):
        hostkeys.check(hop.client, only)
        hop.connect_timeout = CONNECT_LIMIT_S
        hop.connect_kwargs = {**hop.connect_kwargs, **_patience()}
        hop, only = hop.gateway, None
    return made


def _one(
    address: Address, config: Config, gateway: Connection | None, options: dict[str, Any]
) -> Connection:
    import fabric

    known = config.base_ssh_config.lookup(address.host)
    return fabric.Connection(
        address.host,
        user=address.user or known.get("user") or DEFAULT_USER,
        port=address.port or int(known.get("port", DEFAULT_PORT)),
        config=config,
        gateway=gateway,
        connect_kwargs=options,
    )


def _patience() -> dict[str, Any]:
    return {
        "banner_timeout": CONNECT_LIMIT_S,
        "auth_timeout": CONNECT_LIMIT_S,
        "transport_factory": _transport,
    }


def _transport(sock: Any, **options: Any) -> Transport:
    """Paramiko's transport, quicker: small packets go at once, and one pass does cipher and MAC."""
    import paramiko

    if hasattr(sock, "setsockopt"):  # a jump host's channel is no socket
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made = paramiko.Transport(sock, **options)
    security = made.get_security_options()
    first = [cipher for cipher in QUICK if cipher in security.ciphers]
    security.ciphers = [*first, *(c for c in security.ciphers if c not in first)]
    return made


def _key_options(login: Login) -> dict[str, Any]:
    if not login.key:
        return {}
    return {"key_filename": str(login.key), "look_for_keys": False, "allow_agent": False}
