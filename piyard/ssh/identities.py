"""The keys that are offered to a host, in ssh's order, and why none of them was taken."""

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
    """A key to offer: what it is called, and how to get at it."""

    title: str
    load: Callable[[], PKey]


class Identities:
    """Logs in with one key after the other; what Paramiko calls an authentication strategy."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._agent: Any = None

    def authenticate(self, transport: Transport) -> list[str]:
        """Log in; raises ``AuthenticationException``, which says what became of each key.

        A link that is lost with the first key says nothing of keys: ``SSHException``.
        """
        import paramiko

        refused: list[str] = []
        try:
            for offer in self._offers():
                if not transport.is_active():
                    refused.append("it hung up after so many keys: name one by IdentityFile")
                    break
                why = self._try(transport, offer)
                if not why:
                    return []
                if not refused and not transport.is_active():
                    raise paramiko.SSHException("the connection was lost while it logged in")
                refused.append(f"{offer.title}: {why}")
        finally:
            if self._agent:
                self._agent.close()
        said = "\n".join(refused) or "there is no key to offer: ssh-keygen makes one"
        raise paramiko.AuthenticationException(said)

    def _try(self, transport: Transport, offer: Offer) -> str:
        """Why that key does not open the host; empty when it does."""
        import paramiko

        try:
            key = offer.load()
        except (paramiko.SSHException, ValueError, TypeError, OSError) as error:
            return _unusable(error, offer.title)
        try:
            more = transport.auth_publickey(self._settings.user, key)
        except paramiko.BadAuthenticationType as error:
            return f"the host takes no keys, but {', '.join(error.allowed_types)}"
        except (paramiko.SSHException, EOFError, OSError) as error:
            return _rejected(error)
        return "" if transport.is_authenticated() else f"accepted, but it asks for {more} too"

    def _offers(self) -> Iterator[Offer]:
        """Keys of files an agent holds, the agent's others, then files; each is offered once."""
        files = self._files()
        ours = {public: file for file in files if (public := _public(file))}
        held = self._held()
        matching = [key for public in ours for key in held if key.asbytes() == public]
        others = [] if self._settings.identities_only else [k for k in held if k not in matching]
        for key in [*matching, *others]:
            yield from self._certified(key, f"{key.comment or key.get_name()} of the agent")
        done = {ours[key.asbytes()] for key in matching}
        for file in files:
            if file not in done:
                yield Offer(str(file), partial(self._load, file))

    def _files(self) -> list[Path]:
        """The key files that are there, and those that are missed."""
        given = dict.fromkeys(self._settings.identities)
        return [file for file in given if self._settings.named or file.exists()]

    def _held(self) -> list[Any]:
        if not self._settings.agent:
            return []
        self._agent = _connect(self._settings.agent)
        return list(self._agent.get_keys()) if self._agent else []

    def _certified(self, key: Any, title: str) -> Iterator[Offer]:
        """An agent's key with each certificate that is for it, then alone."""
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
            Path(f"{known}{CERTIFICATE}") for known in self._settings.identities
        ]  # fmt: skip
        return [path for path in (*self._settings.certificates, *beside) if path.is_file()]

    def _load(self, file: Path) -> PKey:
        """The private key of a file, with its certificate where it has one."""
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
    """Whether a certificate is for that key, whose parts it holds after its type and a nonce."""
    from paramiko import Message

    public = Message(key.asbytes())
    kind = public.get_text()
    return blob.key_type.startswith(kind) and public.get_remainder() in blob.key_blob


def _public(file: Path) -> bytes:
    """The public half beside a private key; empty where it is not there."""
    from paramiko.pkey import PublicBlob

    try:
        return bytes(PublicBlob.from_file(f"{file}.pub").key_blob)
    except (OSError, ValueError, IndexError):
        return b""


def _connect(path: str) -> Any:
    """An agent behind a socket; None where nobody answers."""
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
        return "is not there"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if "encrypted" in str(error).lower() or "password" in str(error).lower():
        return f"{LOCKED}: ssh-add {title}"
    return f"cannot be used ({type(error).__name__})"


def _rejected(error: Exception) -> str:
    text = str(error)
    return "rejected" if "uthentication failed" in text or not text else text
