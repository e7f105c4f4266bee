"""How to log in to a host: the hops on the way, each with its settings and the keys offered to it.

Keys are offered in ssh's order; if none is accepted, the error says why.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.board.ssh.address import Address
from piyard.board.ssh.hostkeys import check_host_keys, trust_of
from piyard.board.ssh.settings import HostSettings, configured_settings, explicit_settings
from piyard.core.errors import WrongInput

if TYPE_CHECKING:
    from paramiko import PKey, Transport


CERTIFICATE_SUFFIX = "-cert.pub"
AGENT_LIMIT_S = 30
LOCKED = "is locked by a passphrase"


class KeyOffer(msgspec.Struct, frozen=True):
    """A key to offer: its title, and how to load it."""

    title: str
    load: Callable[[], PKey]


class Identities:
    """Tries one key after the other; an authentication strategy of Paramiko's."""

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings
        self._agent: Any = None

    def authenticate(self, transport: Transport) -> list[str]:
        """Log in; raises ``AuthenticationException`` with the result of each key.

        A connection lost at the first key is not a verdict on keys: ``SSHException``.
        """
        import paramiko

        refused: list[str] = []
        try:
            for offer in self._offers():
                if not transport.is_active():
                    refused.append("it disconnected after so many keys: choose one by IdentityFile")
                    break
                reason = self._try(transport, offer)
                if not reason:
                    return []
                if not refused and not transport.is_active():
                    raise paramiko.SSHException("the connection was lost during login")
                refused.append(f"{offer.title}: {reason}")
        finally:
            if self._agent:
                self._agent.close()
        reasons = "\n".join(refused) or "there is no key to offer: ssh-keygen makes one"
        raise paramiko.AuthenticationException(reasons)

    def _try(self, transport: Transport, offer: KeyOffer) -> str:
        """Why the host does not accept that key; empty if it does."""
        import paramiko

        try:
            key = offer.load()
        except (paramiko.SSHException, ValueError, TypeError, OSError) as error:
            return _why_unusable(error, offer.title)
        try:
            more = transport.auth_publickey(self._settings.user, key)
        except paramiko.BadAuthenticationType as error:
            return f"the host accepts no keys, only {', '.join(error.allowed_types)}"
        except (paramiko.SSHException, EOFError, OSError) as error:
            return _why_rejected(error)
        return "" if transport.is_authenticated() else f"accepted, but it asks for {more} too"

    def _offers(self) -> Iterator[KeyOffer]:
        """Files' keys that an agent holds, its other keys, then the other files; each once."""
        files = self._files()
        by_public = {public: file for file in files if (public := _read_public_key(file))}
        agent_keys = self._agent_keys()
        matching = [key for public in by_public for key in agent_keys if key.asbytes() == public]
        others = [key for key in agent_keys if key not in matching]
        if self._settings.identities_only:
            others = []
        for key in [*matching, *others]:
            yield from self._certified(key, f"{key.comment or key.get_name()} of the agent")
        offered = {by_public[key.asbytes()] for key in matching}
        for file in files:
            if file not in offered:
                yield KeyOffer(str(file), partial(self._load, file))

    def _files(self) -> list[Path]:
        """The key files, missing ones only if the user named them."""
        files = dict.fromkeys(self._settings.identities)
        return [file for file in files if self._settings.named or file.exists()]

    def _agent_keys(self) -> list[Any]:
        if not self._settings.agent:
            return []
        self._agent = _connect_agent(self._settings.agent)
        return list(self._agent.get_keys()) if self._agent else []

    def _certified(self, key: Any, title: str) -> Iterator[KeyOffer]:
        """An agent's key with each of its certificates, then alone."""
        for certificate in self._certificates(None):
            with suppress(ValueError, OSError):
                from paramiko.pkey import PublicBlob

                blob = PublicBlob.from_file(str(certificate))
                if _certifies(blob, key):
                    key.public_blob = blob
                    yield KeyOffer(f"{title} with {certificate}", lambda: key)
        key.public_blob = None
        yield KeyOffer(title, lambda: key)

    def _certificates(self, file: Path | None) -> list[Path]:
        beside = [Path(f"{file}{CERTIFICATE_SUFFIX}")] if file else [
            Path(f"{identity}{CERTIFICATE_SUFFIX}") for identity in self._settings.identities
        ]  # fmt: skip
        return [path for path in (*self._settings.certificates, *beside) if path.is_file()]

    def _load(self, file: Path) -> PKey:
        """The private key of a file, with its certificate if there is one."""
        from paramiko import PKey

        key: PKey = PKey.from_path(file)
        for certificate in self._certificates(file):
            with suppress(ValueError, OSError):
                from paramiko.pkey import PublicBlob

                if _certifies(PublicBlob.from_file(str(certificate)), key):
                    key.load_certificate(str(certificate))
                    break
        return key


def _certifies(blob: Any, key: Any) -> bool:
    """Whether a certificate is for that key: it contains its parts after type and nonce."""
    from paramiko import Message

    public = Message(key.asbytes())
    key_type = public.get_text()
    return blob.key_type.startswith(key_type) and public.get_remainder() in blob.key_blob


def _read_public_key(file: Path) -> bytes:
    """The public half beside a private key; empty if it is missing."""
    from paramiko.pkey import PublicBlob

    try:
        return bytes(PublicBlob.from_file(f"{file}.pub").key_blob)
    except (OSError, ValueError, IndexError):
        return b""


def _connect_agent(path: str) -> Any:
    """The agent behind a socket; None if it does not answer."""
    import paramiko
    from paramiko.agent import Agent, AgentSSH

    class SocketAgent(Agent):
        """The agent of that socket, not of SSH_AUTH_SOCK."""

        _connect: Callable[[socket.socket], None]

        def __init__(self) -> None:
            AgentSSH.__init__(self)
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.settimeout(AGENT_LIMIT_S)
            link.connect(path)
            self._connect(link)

    try:
        return SocketAgent()
    except (OSError, paramiko.SSHException):
        return None


def _why_unusable(error: Exception, title: str) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if "encrypted" in str(error).lower() or "password" in str(error).lower():
        return f"{LOCKED}: ssh-add {title}"
    return f"cannot be used ({type(error).__name__})"


def _why_rejected(error: Exception) -> str:
    text = str(error)
    return "rejected" if "uthentication failed" in text or not text else text


CONNECT_LIMIT_S = 10
MAX_HOPS = 8
QUICK_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


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
    connect_limit_s: int = 0
    """Of each step of the login, with ``known_hosts``; 0 is the usual one."""

    @property
    def title(self) -> str:
        """The host's name in messages."""
        return self.name or str(self.address)


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One host on the way; the last one is the board."""

    title: str
    settings: HostSettings
    connection: Any
    """Fabric's, not yet open."""


def list_hops(login: Login) -> list[Hop]:
    """The hosts on the way to the board, and the board; the host key of each is checked.

    Raises ``WrongInput`` for a configuration that cannot be read, or whose jumps are a circle.
    """
    return [_new_hop(title, host, login.known_hosts) for title, host in plan_route(login)]


def plan_route(login: Login) -> list[tuple[str, HostSettings]]:
    """The title and settings of each host on the way; connects to none."""
    if login.known_hosts:
        known = explicit_settings(login.address, login.key)
        limited = msgspec.structs.replace(known, connect_limit_s=login.connect_limit_s)
        return [(login.title, limited)]
    host = configured_settings(login.address, login.key)
    if login.jump:
        host = msgspec.structs.replace(host, jumps=(login.jump,), proxy="")
    return _route_to(login.title, host, 0)


def _route_to(title: str, host: HostSettings, depth: int) -> list[tuple[str, HostSettings]]:
    """The host, after its jump hosts; the first of them may have jump hosts of its own."""
    if depth > MAX_HOPS:
        raise WrongInput(
            f"~/.ssh/config: the ProxyJump of {title} leads in a circle",
            remedy="set ProxyJump none for the host that is reached directly",
        )
    if host.proxy or not host.jumps:
        return [(title, host)]
    first, *rest = host.jumps
    before = _route_to(str(first), configured_settings(first), depth + 1)
    after = [(str(jump), configured_settings(jump)) for jump in rest]
    return [*before, *after, (title, host)]


def _new_hop(title: str, host: HostSettings, only: Path | None) -> Hop:
    import fabric
    import paramiko

    connection = fabric.Connection(
        host.host,
        user=host.user,
        port=host.port,
        # An empty configuration: Fabric must not read the user's, which ssh has read already.
        config=fabric.Config(ssh_config=paramiko.SSHConfig()),
        connect_kwargs=_connect_options(host),
        connect_timeout=connect_limit(host),
    )
    check_host_keys(connection.client, only, trust_of(host))
    return Hop(title=title, settings=host, connection=connection)


def connect_limit(host: HostSettings) -> int:
    """Seconds for each step of the login."""
    return host.connect_limit_s or CONNECT_LIMIT_S


def _connect_options(host: HostSettings) -> dict[str, object]:
    return {
        "banner_timeout": connect_limit(host),
        "auth_timeout": connect_limit(host),
        "transport_factory": _new_transport,
        "auth_strategy": Identities(host),
        "compress": host.compress,
    }


def _new_transport(sock: Any, **options: Any) -> Transport:
    """A faster transport of Paramiko's: no delay of small packets, and AES-GCM first."""
    import paramiko

    if getattr(sock, "family", None) in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    first = [cipher for cipher in QUICK_CIPHERS if cipher in security.ciphers]
    security.ciphers = [*first, *(c for c in security.ciphers if c not in first)]
    return transport
