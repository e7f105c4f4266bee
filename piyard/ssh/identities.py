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

from piyard.ssh.settings import Settings

if TYPE_CHECKING:
    from paramiko import PKey, Transport

CERTIFICATE = "-cert.pub"
AGENT_LIMIT_S = 30
LOCKED = "is locked by a passphrase"


class Offer(msgspec.Struct, frozen=True):
    """A key to offer: its title, and how to load it."""

    title: str
    load: Callable[[], PKey]


class Identities:
    """Tries one key after the other; an authentication strategy of Paramiko's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._agent: Any = None

    def authenticate(self, transport: Transport) -> list[str]:
        """Log in; raises ``AuthenticationException`` with the result of each key.

        A connection lost at the first key is no verdict on keys: ``SSHException``.
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

    def _try(self, transport: Transport, offer: Offer) -> str:
        """Why the host does not accept that key; empty if it does."""
        import paramiko

        try:
            key = offer.load()
        except (paramiko.SSHException, ValueError, TypeError, OSError) as error:
            return _unusable(error, offer.title)
        try:
            more = transport.auth_publickey(self._settings.user, key)
        except paramiko.BadAuthenticationType as error:
            return f"the host accepts no keys, only {', '.join(error.allowed_types)}"
        except (paramiko.SSHException, EOFError, OSError) as error:
            return _rejected(error)
        return "" if transport.is_authenticated() else f"accepted, but it asks for {more} too"

    def _offers(self) -> Iterator[Offer]:
        """Files' keys that an agent holds, its other keys, then the other files; each once."""
        files = self._files()
        by_public = {public: file for file in files if (public := _public(file))}
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
                yield Offer(str(file), partial(self._load, file))

    def _files(self) -> list[Path]:
        """The key files, missing ones only if the user named them."""
        files = dict.fromkeys(self._settings.identities)
        return [file for file in files if self._settings.named or file.exists()]

    def _agent_keys(self) -> list[Any]:
        if not self._settings.agent:
            return []
        self._agent = _connect(self._settings.agent)
        return list(self._agent.get_keys()) if self._agent else []

    def _certified(self, key: Any, title: str) -> Iterator[Offer]:
        """An agent's key with each of its certificates, then alone."""
        for certificate in self._certificates(None):
            with suppress(ValueError, OSError):
                from paramiko.pkey import PublicBlob

                blob = PublicBlob.from_file(str(certificate))
                if _certifies(blob, key):
                    key.public_blob = blob
                    yield Offer(f"{title} with {certificate}", lambda: key)
        key.public_blob = None
        yield Offer(title, lambda: key)

    def _certificates(self, file: Path | None) -> list[Path]:
        beside = [Path(f"{file}{CERTIFICATE}")] if file else [
            Path(f"{identity}{CERTIFICATE}") for identity in self._settings.identities
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


def _public(file: Path) -> bytes:
    """The public half beside a private key; empty if it is missing."""
    from paramiko.pkey import PublicBlob

    try:
        return bytes(PublicBlob.from_file(f"{file}.pub").key_blob)
    except (OSError, ValueError, IndexError):
        return b""


def _connect(path: str) -> Any:
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


def _unusable(error: Exception, title: str) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if "encrypted" in str(error).lower() or "password" in str(error).lower():
        return f"{LOCKED}: ssh-add {title}"
    return f"cannot be used ({type(error).__name__})"


def _rejected(error: Exception) -> str:
    text = str(error)
    return "rejected" if "uthentication failed" in text or not text else text
