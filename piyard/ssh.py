"""The SSH edge: the only module that talks to Fabric and Paramiko.

Commands are argv lists, quoted once here. Every command has a time limit that ends it on the board
too. Host keys are checked, and whatever goes wrong becomes one clear error.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import paths, say
from piyard.address import DEFAULT_PORT, DEFAULT_USER, Address
from piyard.errors import (
    BoardCommandFailed,
    BoardDiskFull,
    HostKeyChanged,
    HostUnreachable,
    KeyRejected,
    NoSuchHost,
    PiyardError,
)

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import SFTPClient

CONNECT_LIMIT_S = 10
COMMAND_LIMIT_S = 60
KILL_GRACE_S = 5
TIMED_OUT = (124, 137)
"""Exit codes of coreutils' timeout: ended in time, or killed after the grace."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How to get into a host."""

    address: Address
    name: str = ""
    """What the user calls the host; without it the address."""
    key: Path | None = None
    """A private key; without it the user's agent, keys and ~/.ssh/config serve."""
    known_hosts: Path | None = None
    """The only file whose host keys count; without it the user's and piyard's own."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a command on a board said."""

    code: int
    out: str
    err: str


class Session:
    """An open connection to one board."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self.name = connection, name
        self._sftp: SFTPClient | None = None

    def run(
        self, argv: Sequence[str], *, limit_s: int = COMMAND_LIMIT_S, check: bool = True
    ) -> Outcome:
        """Run a command there; raises ``BoardCommandFailed`` unless it ends well.

        With ``check=False`` a failure is an outcome, but running out of time still raises.
        """
        bounded = ["timeout", "-k", str(KILL_GRACE_S), str(limit_s), *argv]
        with _translated(self.name):
            done = self._connection.run(
                shlex.join(bounded), hide=True, warn=True, in_stream=False, timeout=limit_s + 30
            )
        outcome = Outcome(code=done.exited, out=done.stdout, err=done.stderr)
        if outcome.code in TIMED_OUT:
            raise BoardCommandFailed(
                f"{self.name}: '{argv[0]}' was ended after {limit_s} s",
                evidence=outcome.err[-2000:],
                remedy="give it more time (--limit), or less to do (--loops, --input)",
            )
        if check and outcome.code:
            raise self.failure(argv, outcome)
        return outcome

    def script(self, text: str, *arguments: str, limit_s: int = COMMAND_LIMIT_S) -> Outcome:
        """Run a constant POSIX shell script; what varies comes in as ``$1``, ``$2``."""
        return self.run(["sh", "-c", text, "piyard", *arguments], limit_s=limit_s)

    def put(self, local: Path, remote: str, on_bytes: Callable[[int, int], None]) -> None:
        """Send a file; ``on_bytes(sent, total)`` follows it."""
        with self._transfer(f"sending {local.name}"):
            self._files().put(str(local), remote, callback=on_bytes)

    def get(self, remote: str, local: Path) -> None:
        """Fetch a file."""
        local.parent.mkdir(parents=True, exist_ok=True)
        with self._transfer(f"fetching {remote}"):
            self._files().get(remote, str(local))

    def list(self, folder: str) -> list[str]:
        """The names in a folder there."""
        with self._transfer(f"listing {folder}"):
            return sorted(self._files().listdir(folder))

    def failure(self, argv: Sequence[str], outcome: Outcome) -> PiyardError:
        """The error for a command that ended badly."""
        if "No space left on device" in outcome.err:
            return disk_full(self.name, outcome.err)
        return BoardCommandFailed(
            f"{self.name}: '{argv[0]}' failed (exit code {outcome.code})",
            evidence=(outcome.err or outcome.out)[-2000:],
            remedy="see the lines above",
        )

    def _files(self) -> SFTPClient:
        if self._sftp is None:
            self._sftp = self._connection.sftp()
        return self._sftp

    @contextmanager
    def _transfer(self, doing: str) -> Iterator[None]:
        try:
            with _translated(self.name):
                yield
        except OSError as error:
            raise self._transfer_error(doing, error) from None

    def _transfer_error(self, doing: str, error: OSError) -> PiyardError:
        """SFTP version 3 has no code for a full disk, so ask the board."""
        free = self.run(["df", "-Pk", "."], check=False).out.split("\n")
        if len(free) > 1 and free[1].split()[3:4] == ["0"]:
            return disk_full(self.name, str(error))
        return BoardCommandFailed(
            f"{self.name}: {doing} failed", evidence=str(error), remedy="see the line above"
        )


def disk_full(name: str, evidence: str) -> BoardDiskFull:
    """The error for a board without room."""
    return BoardDiskFull(
        f"{name}: the board's disk is full",
        evidence=evidence[-500:],
        remedy="free some room there (df -h; old releases are in ~/.piyard/releases)",
    )


@contextmanager
def connect(login: Login) -> Iterator[Session]:
    """An open session, closed at the end; raises the error for whatever stands in the way."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    logging.getLogger("paramiko").propagate = False
    name = login.name or str(login.address)
    connection = _connection(login)
    try:
        with _translated(name):
            _open(connection)
            transport = connection.transport
            transport.set_keepalive(15)
            transport.channel_timeout = CONNECT_LIMIT_S
        yield Session(connection, name)
    finally:
        connection.close()


def _open(connection: Connection) -> None:
    """Connect; what fails after authentication began is a rejected key.

    Paramiko tries a key as each type there is and may raise what the last attempt to read it said.
    """
    import paramiko

    try:
        connection.open()
    except paramiko.BadHostKeyException:
        raise
    except paramiko.SSHException as error:
        transport = connection.client.get_transport()
        began = transport is not None and transport.auth_handler is not None
        if began or "authentication methods" in str(error):
            raise paramiko.AuthenticationException(_reason(error)) from None
        raise


def _reason(error: Exception) -> str:
    misread = "encountered" in str(error)
    return "none of the keys was accepted" if misread else str(error)


def _connection(login: Login) -> Connection:
    import fabric

    address = login.address
    config = fabric.Config()
    known = config.base_ssh_config.lookup(address.host)
    options: dict[str, Any] = {"banner_timeout": CONNECT_LIMIT_S, "auth_timeout": CONNECT_LIMIT_S}
    if login.key:
        options |= {"key_filename": str(login.key), "look_for_keys": False, "allow_agent": False}
    connection = fabric.Connection(
        address.host,
        user=address.user or known.get("user") or DEFAULT_USER,
        port=address.port or int(known.get("port", DEFAULT_PORT)),
        config=config,
        connect_timeout=CONNECT_LIMIT_S,
        connect_kwargs=options,
    )
    _check_host_keys(connection.client, login)
    return connection


def pinned_hosts() -> Path:
    """piyard's own known_hosts, with the keys pinned on first contact."""
    return paths.data() / "known_hosts"


def _check_host_keys(client: Any, login: Login) -> None:
    """Fabric would accept any key; accept a known one, pin a first one, refuse a changed one."""
    if login.known_hosts:
        client.load_host_keys(str(login.known_hosts))
        client.set_missing_host_key_policy(_refuse_unknown())
        return
    client.load_system_host_keys()
    pinned_hosts().parent.mkdir(parents=True, exist_ok=True)
    pinned_hosts().touch(mode=0o600)
    client.load_host_keys(str(pinned_hosts()))
    client.set_missing_host_key_policy(_pin_on_first_contact())


def _refuse_unknown() -> Any:
    import paramiko

    class RefuseUnknown(paramiko.MissingHostKeyPolicy):
        """Where we gave the board its key, no other will do."""

        def missing_host_key(self, _client: Any, hostname: str, key: Any) -> None:
            raise HostKeyChanged(
                f"{hostname} shows a host key that is not the one it was given",
                evidence=f"shown {fingerprint(key.asbytes())}",
                remedy="stop it and start it again: invoke board.down, invoke board.up",
            )

    return RefuseUnknown()


def _pin_on_first_contact() -> Any:
    import paramiko

    class PinOnFirstContact(paramiko.MissingHostKeyPolicy):
        """Trust a host never seen before, show its fingerprint, and hold it to that key."""

        def missing_host_key(self, _client: Any, hostname: str, key: Any) -> None:
            say.note(
                f"first contact with {hostname}: {key.get_name()} {fingerprint(key.asbytes())}"
            )
            with pinned_hosts().open("a") as pinned:
                pinned.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")

    return PinOnFirstContact()


def fingerprint(key: bytes) -> str:
    """A host key's fingerprint as ``ssh-keygen -l`` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn what the network and Paramiko raise into piyard's errors."""
    import paramiko
    from invoke.exceptions import CommandTimedOut

    try:
        yield
    except paramiko.BadHostKeyException as error:
        raise _host_key_changed(name, error) from None
    except paramiko.AuthenticationException as error:
        raise _key_rejected(name, error) from None
    except socket.gaierror as error:
        raise NoSuchHost(
            f"no host '{name}'", evidence=str(error), remedy="check the name, or use its address"
        ) from None
    except (paramiko.SSHException, TimeoutError, ConnectionError, EOFError) as error:
        raise _unreachable(name, error) from None
    except CommandTimedOut as error:
        raise _unreachable(name, error) from None
    except OSError as error:
        if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError) or error.errno in (
            113,
            101,
            110,
        ):
            raise _unreachable(name, error) from None
        raise


def _unreachable(name: str, error: BaseException) -> HostUnreachable:
    return HostUnreachable(
        f"{name} does not answer over SSH",
        evidence=str(error) or type(error).__name__,
        remedy="is the board powered, on the network, and is sshd enabled (raspi-config)?",
    )


def _key_rejected(name: str, error: BaseException) -> KeyRejected:
    return KeyRejected(
        f"{name} does not accept our key",
        evidence=str(error),
        remedy="copy your key there with ssh-copy-id, or name the right user: user@host",
    )


def _host_key_changed(name: str, error: Any) -> HostKeyChanged:
    return HostKeyChanged(
        f"{name} shows another host key than the one pinned",
        evidence=f"known {fingerprint(error.expected_key.asbytes())}\n"
        f"shown {fingerprint(error.key.asbytes())}",
        remedy="if the board was reflashed, remove the old key: "
        f"ssh-keygen -R '{error.hostname}' -f {pinned_hosts()} (and for ~/.ssh/known_hosts)",
    )
