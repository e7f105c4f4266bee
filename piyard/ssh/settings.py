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
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from piyard.address import DEFAULT_PORT, DEFAULT_USER, Address
from piyard.errors import WrongInput
from piyard.ssh import config
from piyard.ssh.config import Answer

NONE = "none"
TOKEN = re.compile(r"%(.?)")
VARIABLE = re.compile(r"\$\{(\w+)\}")
YES = ("yes", "true")
FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
AGENT = "SSH_AUTH_SOCK"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
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


def given(address: Address, key: Path | None) -> Settings:
    """The settings of a host of which everything is known, without any configuration."""
    return Settings(
        host=address.host,
        port=address.port or DEFAULT_PORT,
        user=address.user or DEFAULT_USER,
        identities=(key,) if key else (),
        named=True,
        identities_only=True,
    )


def of(address: Address, key: Path | None = None) -> Settings:
    """The settings of a host from the configuration; a ``key`` replaces all others.

    Raises ``WrongInput`` for a configuration that cannot be read.
    """
    answer = config.answer(address)
    values = _Values(address, answer)
    files = (key,) if key else values.paths("identityfile")
    return Settings(
        host=values.host,
        port=values.port,
        user=values.user,
        identities=files,
        named=bool(key) or not config.is_usual(answer, "identityfile"),
        certificates=values.paths("certificatefile"),
        identities_only=bool(key) or values.yes("identitiesonly"),
        agent=values.agent(),
        known_hosts=values.known_hosts(),
        known_as=values.text("hostkeyalias"),
        strict=values.yes("stricthostkeychecking"),
        jumps=_jumps(values.text("proxyjump")),
        proxy=values.expanded(values.text("proxycommand")),
        connect_limit_s=values.integer("connecttimeout", 0),
        family=FAMILIES.get(values.text("addressfamily"), socket.AF_UNSPEC),
        bind=values.text("bindaddress"),
        compress=values.yes("compression"),
    )


class _Values:
    """An answer's values, by type."""

    def __init__(self, address: Address, answer: Answer) -> None:
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
        words = [word for line in lines for value in line for word in _split(value, self._path)]
        return tuple(self._path(word) for word in words if word.lower() != NONE)

    def agent(self) -> str:
        """The socket of the agent, empty for none."""
        value = next(iter(self._answer.get("identityagent", [])), AGENT).strip('"')
        if value.lower() == NONE:
            return ""
        if value == AGENT or (value.startswith("$") and not value.startswith("${")):
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
        path = VARIABLE.sub(lambda match: _variable(match[1]), self.expanded(text))
        return _at_home(Path(os.path.expanduser(path)))  # noqa: PTH111 - keeps an unknown ~user


def _variable(name: str) -> str:
    if name not in os.environ:
        raise WrongInput(f"~/.ssh/config: ${{{name}}} is not set", remedy=f"export {name}=…")
    return os.environ[name]


def _at_home(path: Path) -> Path:
    """The path below HOME if ssh uses another home folder."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    in_ssh_folder = path.is_relative_to(home / ".ssh")
    if in_ssh_folder or (path.is_relative_to(home) and not path.exists()):
        return Path.home() / path.relative_to(home)
    return path


def _split(value: str, path: Callable[[str], Path]) -> Iterable[str]:
    """The paths of one line, in which ssh does not quote spaces."""
    words = value.split(" ")
    while words:
        sizes = range(len(words), 1, -1)
        size = next((n for n in sizes if path(" ".join(words[:n])).exists()), 1)
        yield " ".join(words[:size]).strip('"')
        words = words[size:]


def _jumps(text: str) -> tuple[Address, ...]:
    from piyard import address

    return tuple(
        address.parse(hop.strip().removeprefix("ssh://").rstrip("/"))
        for hop in text.split(",")
        if hop.strip()
    )
