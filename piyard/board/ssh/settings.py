"""The login settings of one host, and the socket to it.

The settings are those of ~/.ssh/config with each token and path expanded. The socket is a direct
one, or the streams of the user's ProxyCommand.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import pwd
import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from piyard.board.ssh.address import DEFAULT_PORT, DEFAULT_USER, Address, resolver_name
from piyard.board.ssh.config import SshConfig, is_default, read_ssh_config
from piyard.core.errors import WrongInput

NONE = "none"
TOKEN = re.compile(r"%(.?)")
VARIABLE = re.compile(r"\$\{(\w+)\}")
YES = ("yes", "true")
ADDRESS_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
AGENT_VARIABLE = "SSH_AUTH_SOCK"


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The login settings of one host."""

    host: str
    """Its name or address on the network."""
    port: int = DEFAULT_PORT
    user: str = DEFAULT_USER
    identities: tuple[Path, ...] = ()
    """Private keys to offer, in order."""
    named: bool = False
    """Whether the user named these keys: then a missing one is reported."""
    certificates: tuple[Path, ...] = ()
    identities_only: bool = False
    """Whether an agent's other keys are not offered."""
    agent: str = ""
    """The socket of the agent, empty for none."""
    known_hosts: tuple[Path, ...] = ()
    known_as: str = ""
    """Its name in known_hosts, if different."""
    strict: bool = False
    """Whether an unknown host key is refused."""
    jumps: tuple[Address, ...] = ()
    """The jump hosts, in order."""
    proxy: str = ""
    """The user's ProxyCommand, whose standard streams lead to the host."""
    connect_limit_s: int = 0
    """Seconds for each step of the login; 0 for our default."""
    family: int = socket.AF_UNSPEC
    bind: str = ""
    """The local address to connect from."""
    compress: bool = False

    @property
    def names(self) -> tuple[str, str]:
        """Its name for Paramiko, and in known_hosts."""
        plain = self.host if self.port == DEFAULT_PORT else f"[{self.host}]:{self.port}"
        return plain, self.known_as or plain


def explicit_settings(address: Address, key: Path | None) -> HostSettings:
    """The settings of a host of which everything is known, without any configuration."""
    return HostSettings(
        host=address.host,
        port=address.port or DEFAULT_PORT,
        user=address.user or DEFAULT_USER,
        identities=(key,) if key else (),
        named=True,
        identities_only=True,
    )


def configured_settings(address: Address, key: Path | None = None) -> HostSettings:
    """The settings of a host from the configuration; a ``key`` replaces all others.

    Raises ``WrongInput`` for a configuration that cannot be read.
    """
    answer = read_ssh_config(address)
    values = _ConfigValues(address, answer)
    files = (key,) if key else values.paths("identityfile")
    return HostSettings(
        host=values.host,
        port=values.port,
        user=values.user,
        identities=files,
        named=bool(key) or not is_default(answer, "identityfile"),
        certificates=values.paths("certificatefile"),
        identities_only=bool(key) or values.yes("identitiesonly"),
        agent=values.agent(),
        known_hosts=values.known_hosts(),
        known_as=values.text("hostkeyalias"),
        strict=values.yes("stricthostkeychecking"),
        jumps=_parse_jumps(values.text("proxyjump")),
        proxy=values.expanded(values.text("proxycommand")),
        connect_limit_s=values.integer("connecttimeout", 0),
        family=ADDRESS_FAMILIES.get(values.text("addressfamily"), socket.AF_UNSPEC),
        bind=values.text("bindaddress"),
        compress=values.yes("compression"),
    )


class _ConfigValues:
    """An answer's values, by type."""

    def __init__(self, address: Address, answer: SshConfig) -> None:
        self._answer, self._address = answer, address
        self.host = self.text("hostname") or address.host
        self.port = address.port or self.integer("port", DEFAULT_PORT)
        self.user = address.user or self.text("user") or DEFAULT_USER

    def text(self, keyword: str) -> str:
        """A value; empty if it is missing or ``none``."""
        value = next(iter(self._answer.get(keyword, [])), "").strip('"')
        return "" if value.lower() == NONE else value

    def yes(self, keyword: str) -> bool:
        return self.text(keyword).lower() in YES

    def integer(self, keyword: str, default: int) -> int:
        text = self.text(keyword)
        if text and not text.isdecimal():
            raise WrongInput(f"~/.ssh/config: {keyword} is {text!r}, not a number",
                             remedy="write a number")  # fmt: skip
        return int(text) if text else default

    def paths(self, keyword: str) -> tuple[Path, ...]:
        """Files, one a value, missing ones included."""
        values = (value.strip('"') for value in self._answer.get(keyword, []))
        return tuple(self._path(value) for value in values if value and value.lower() != NONE)

    def known_hosts(self) -> tuple[Path, ...]:
        """Files of host keys, the user's first; a value may name several."""
        defaults = {"userknownhostsfile": ["~/.ssh/known_hosts"], "globalknownhostsfile": []}
        lines = [self._answer.get(keyword) or defaults[keyword] for keyword in defaults]
        words = [
            word for line in lines for value in line for word in _split_paths(value, self._path)
        ]
        return tuple(self._path(word) for word in words if word.lower() != NONE)

    def agent(self) -> str:
        """The socket of the agent, empty for none."""
        value = next(iter(self._answer.get("identityagent", [])), AGENT_VARIABLE).strip('"')
        if value.lower() == NONE:
            return ""
        if value == AGENT_VARIABLE or (value.startswith("$") and not value.startswith("${")):
            return os.environ.get(value.removeprefix("$"), "")
        return str(self._path(value))

    def expanded(self, text: str) -> str:
        """The text with each ``%`` token expanded, as ssh_config(5) lists them."""
        return TOKEN.sub(lambda match: self._token(match[1], text), text)

    def _token(self, letter: str, text: str) -> str:
        value = self._tokens().get(letter)
        if value is None:
            raise WrongInput(
                f"~/.ssh/config: piyard does not know %{letter} in {text!r}",
                remedy="write out its value",
            )
        return value

    def _tokens(self) -> Mapping[str, str]:
        here, jump = socket.gethostname(), self.text("proxyjump")
        parts = (here, self.host, str(self.port), self.user, jump)
        alias = self.text("hostkeyalias") or self._address.host
        return {
            "%": "%", "h": self.host, "n": self._address.host, "p": str(self.port),
            "r": self.user, "u": getpass.getuser(), "d": str(Path.home()), "i": str(os.getuid()),
            "l": here, "L": here.split(".")[0], "k": alias, "j": jump,
            "C": hashlib.sha1("".join(parts).encode(), usedforsecurity=False).hexdigest(),
        }  # fmt: skip

    def _path(self, text: str) -> Path:
        path = VARIABLE.sub(lambda match: _expand_variable(match[1]), self.expanded(text))
        return _below_home(Path(os.path.expanduser(path)))  # noqa: PTH111 - keeps an unknown ~user


def _expand_variable(name: str) -> str:
    if name not in os.environ:
        raise WrongInput(f"~/.ssh/config: ${{{name}}} is not set", remedy=f"export {name}=…")
    return os.environ[name]


def _below_home(path: Path) -> Path:
    """The path below HOME if ssh uses another home folder."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    in_ssh_folder = path.is_relative_to(home / ".ssh")
    if in_ssh_folder or (path.is_relative_to(home) and not path.exists()):
        return Path.home() / path.relative_to(home)
    return path


def _split_paths(value: str, path: Callable[[str], Path]) -> Iterable[str]:
    """The paths of one line, in which ssh does not quote spaces."""
    words = value.split(" ")
    while words:
        sizes = range(len(words), 1, -1)
        size = next((n for n in sizes if path(" ".join(words[:n])).exists()), 1)
        yield " ".join(words[:size]).strip('"')
        words = words[size:]


def _parse_jumps(text: str) -> tuple[Address, ...]:
    from piyard.board.ssh.address import parse_address

    return tuple(
        parse_address(hop.strip().removeprefix("ssh://").rstrip("/"))
        for hop in text.split(",")
        if hop.strip()
    )


PROXY_GRACE_S = 1


class ProxySocket(socket.socket):
    """One end of a socket pair; a command uses the other end, and ends with it."""

    process: subprocess.Popen[bytes]
    errors: Any
    guard: threading.Lock
    complaint = ""
    """The command's stderr, once it ended."""

    def close(self) -> None:
        """Close, and wait for the command, which ends when its connection is closed."""
        super().close()
        with self.guard:  # Paramiko's thread closes it too
            if not self.errors.closed:
                self._end()

    def _end(self) -> None:
        try:
            self.process.wait(PROXY_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with self.errors:
            self.errors.seek(0)
            self.complaint = self.errors.read(2000).decode(errors="replace").strip()


def open_socket(settings: HostSettings, limit_s: float) -> socket.socket:
    """A connection to the host; raises ``OSError``."""
    return _start_proxy(settings) if settings.proxy else _connect_directly(settings, limit_s)


def resolve_host(settings: HostSettings) -> list[tuple[Any, ...]]:
    """The host's network addresses; raises ``NoSuchHost`` or ``gaierror``."""
    name = resolver_name(settings.host)
    return list(socket.getaddrinfo(name, settings.port, settings.family, socket.SOCK_STREAM))


def _start_proxy(settings: HostSettings) -> ProxySocket:
    """Run the ProxyCommand by the user's shell, as ssh does."""
    ours, theirs = socket.socketpair()
    sock = ProxySocket(fileno=ours.detach())
    sock.guard = threading.Lock()
    sock.errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the socket
    with theirs:
        sock.process = subprocess.Popen(
            [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {settings.proxy}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=sock.errors,
            start_new_session=True,
        )
    return sock


def _connect_directly(settings: HostSettings, limit_s: float) -> socket.socket:
    """A connection to the first address of the host that answers."""
    failures: list[OSError] = []
    for family, socket_type, protocol, _, address in resolve_host(settings):
        sock = socket.socket(family, socket_type, protocol)
        try:
            sock.settimeout(limit_s)
            if settings.bind:
                sock.bind((settings.bind, 0))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failures.append(error)
        else:
            return sock
    raise failures[-1]
