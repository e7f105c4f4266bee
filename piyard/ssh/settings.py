"""How to get into one host: what ~/.ssh/config answers, with each token and path filled in."""

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
    """How to get into one host."""

    host: str
    """Its name or address on the network."""
    port: int = DEFAULT_PORT
    user: str = DEFAULT_USER
    identities: tuple[Path, ...] = ()
    """Private keys to offer, in their order."""
    named: bool = False
    """Whether somebody named these keys, so that it matters if one is missing."""
    certificates: tuple[Path, ...] = ()
    identities_only: bool = False
    """Whether an agent's other keys stay out of it."""
    agent: str = ""
    """The socket of the agent, empty for none."""
    known_hosts: tuple[Path, ...] = ()
    known_as: str = ""
    """Its name in known_hosts, where that is another."""
    strict: bool = False
    """Whether a host key seen for the first time is refused."""
    jumps: tuple[Address, ...] = ()
    """The hosts to go through, the first one first."""
    proxy: str = ""
    """A command of the user's own whose standard streams are the way to the host."""
    connect_limit_s: int = 0
    """Seconds for each step until we are in; 0 leaves it to us."""
    family: int = socket.AF_UNSPEC
    bind: str = ""
    """The address of this machine to connect from."""
    compress: bool = False

    @property
    def names(self) -> tuple[str, str]:
        """Its name for Paramiko, and in known_hosts."""
        plain = self.host if self.port == DEFAULT_PORT else f"[{self.host}]:{self.port}"
        return plain, self.known_as or plain


def given(address: Address, key: Path | None) -> Settings:
    """A host of which everything is known, so that no configuration is asked."""
    return Settings(
        host=address.host,
        port=address.port or DEFAULT_PORT,
        user=address.user or DEFAULT_USER,
        identities=(key,) if key else (),
        named=True,
        identities_only=True,
    )


def of(address: Address, key: Path | None = None) -> Settings:
    """What the configuration says of a host; a ``key`` stands for all others.

    Raises ``WrongInput`` for a configuration that cannot be read.
    """
    found = config.answer(address)
    first = _Values(address, found)
    files = (key,) if key else first.paths("identityfile")
    return Settings(
        host=first.host,
        port=first.port,
        user=first.user,
        identities=files,
        named=bool(key) or not config.is_usual(found, "identityfile"),
        certificates=first.paths("certificatefile"),
        identities_only=bool(key) or first.yes("identitiesonly"),
        agent=first.agent(),
        known_hosts=first.known_hosts(),
        known_as=first.text("hostkeyalias"),
        strict=first.yes("stricthostkeychecking"),
        jumps=_jumps(first.text("proxyjump")),
        proxy=first.filled(first.text("proxycommand")),
        connect_limit_s=first.whole("connecttimeout", 0),
        family=FAMILIES.get(first.text("addressfamily"), socket.AF_UNSPEC),
        bind=first.text("bindaddress"),
        compress=first.yes("compression"),
    )


class _Values:
    """An answer's values, by type."""

    def __init__(self, address: Address, found: Answer) -> None:
        self._found, self._address = found, address
        self.host = self.text("hostname") or address.host
        self.port = address.port or self.whole("port", DEFAULT_PORT)
        self.user = address.user or self.text("user") or DEFAULT_USER

    def text(self, keyword: str) -> str:
        """A value; empty where there is none, or it is ``none``."""
        value = next(iter(self._found.get(keyword, [])), "").strip('"')
        return "" if value.lower() == NONE else value

    def yes(self, keyword: str) -> bool:
        return self.text(keyword).lower() in YES

    def whole(self, keyword: str, without: int) -> int:
        text = self.text(keyword)
        if text and not text.isdecimal():
            raise WrongInput(f"~/.ssh/config: {keyword} is {text!r}, not a number",
                             remedy="write a number there")  # fmt: skip
        return int(text) if text else without

    def paths(self, keyword: str) -> tuple[Path, ...]:
        """Files, each named by a value of its own; none of it is dropped as it is missing."""
        values = (value.strip('"') for value in self._found.get(keyword, []))
        return tuple(self._path(value) for value in values if value and value.lower() != NONE)

    def known_hosts(self) -> tuple[Path, ...]:
        """Files of host keys, the user's first; several stand in one value."""
        usual = {"userknownhostsfile": ["~/.ssh/known_hosts"], "globalknownhostsfile": []}
        lines = [self._found.get(keyword) or usual[keyword] for keyword in usual]
        words = [word for line in lines for value in line for word in _split(value, self._path)]
        return tuple(self._path(word) for word in words if word.lower() != NONE)

    def agent(self) -> str:
        """The socket of the agent."""
        value = next(iter(self._found.get("identityagent", [])), AGENT).strip('"')
        if value.lower() == NONE:
            return ""
        if value == AGENT or (value.startswith("$") and not value.startswith("${")):
            return os.environ.get(value.removeprefix("$"), "")
        return str(self._path(value))

    def filled(self, text: str) -> str:
        """The text with each ``%`` token filled in, as ssh_config(5) lists them."""
        return TOKEN.sub(lambda found: self._token(found[1], text), text)

    def _token(self, letter: str, text: str) -> str:
        value = self._tokens().get(letter)
        if value is None:
            raise WrongInput(
                f"~/.ssh/config: piyard does not know %{letter} in {text!r}",
                remedy="write out what it stands for",
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
        named = VARIABLE.sub(lambda found: _variable(found[1]), self.filled(text))
        return _at_home(Path(os.path.expanduser(named)))  # noqa: PTH111 - keeps an unknown ~user


def _variable(name: str) -> str:
    if name not in os.environ:
        raise WrongInput(f"~/.ssh/config: ${{{name}}} is not set", remedy=f"export {name}=…")
    return os.environ[name]


def _at_home(path: Path) -> Path:
    """Below HOME, where ssh takes another folder for it."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    usual = path.is_relative_to(home / ".ssh")
    if usual or (path.is_relative_to(home) and not path.exists()):
        return Path.home() / path.relative_to(home)
    return path


def _split(value: str, path: Callable[[str], Path]) -> Iterable[str]:
    """The paths of one line, of which ssh does not tell those with spaces apart."""
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
