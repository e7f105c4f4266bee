"""The settings of ~/.ssh/config for a host, from ``ssh -G``: they mean here what they mean to ssh.

Without ssh, Paramiko's parser reads the file; it supports less, and warns.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from piyard import say
from piyard.address import Address
from piyard.errors import WrongInput

ANSWER_LIMIT_S = 30
"""``Match exec`` runs commands, and ``CanonicalizeHostname`` asks the network."""
SYSTEM = Path("/etc/ssh/ssh_config")
NOBODY = "piyard-default-user"
"""A user that no configuration names: if ssh answers it, none was set."""
NOT_HONOURED = (
    *("BindInterface", "KnownHostsCommand", "PKCS11Provider", "ProxyUseFdpass"),
    *("PreferredAuthentications", "PubkeyAuthentication", "SecurityKeyProvider"),
    *("HostbasedAuthentication", "SetEnv", "VerifyHostKeyDNS"),
    *("Ciphers", "HostKeyAlgorithms", "KexAlgorithms", "MACs", "PubkeyAcceptedAlgorithms"),
)
"""Keywords that matter for ssh's login, and that piyard does not support."""
USUAL_KEYS = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")
CRITERIA = {
    "all": 0,
    "canonical": 0,
    "host": 1,
    "originalhost": 1,
    "user": 1,
    "localuser": 1,
    "exec": 1,
}
"""The criteria of Match that Paramiko supports, and how many words follow each."""
ONLY_SSH = ("Include",)
"""Keywords that Paramiko ignores."""

Answer = Mapping[str, Sequence[str]]
"""Keywords in lower case, each with its values in order."""


def answer(address: Address) -> Answer:
    """The configuration for a host; ``user`` is missing if no user was set.

    Raises ``WrongInput`` for a file that cannot be read.
    """
    if not shutil.which("ssh"):
        return _without_ssh(address)
    answer = _ssh(address, _redirected())
    if not address.user and answer.get("user") == [getpass.getuser()] and not _names_user(address):
        del answer["user"]
    ignored = [name for name in NOT_HONOURED if not is_usual(answer, name.lower())]
    _warn(str(address), tuple(ignored), "piyard does not support and ignores")
    return answer


def is_usual(answer: Answer, keyword: str) -> bool:
    """Whether a keyword has its default value."""
    return list(answer.get(keyword, [])) == _usual(shutil.which("ssh")).get(keyword, [])


def user_file() -> Path:
    """The user's own configuration."""
    return Path("~/.ssh/config").expanduser()


def _ssh(address: Address, text: str) -> dict[str, list[str]]:
    """ssh's answer from its usual files, or from a configuration of that text."""
    options = [*(["-l", address.user] if address.user else []),
             *(["-p", str(address.port)] if address.port else [])]  # fmt: skip
    if not text:
        return _ask(address, [*options, address.host])
    with tempfile.NamedTemporaryFile(prefix="piyard-ssh-") as file:
        file.write(os.fsencode(text))
        file.flush()
        return _ask(address, ["-F", file.name, *options, address.host])


def _ask(address: Address, arguments: Sequence[str]) -> dict[str, list[str]]:
    try:
        done = subprocess.run(
            ["ssh", "-G", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _unreadable(address, f"no answer within {ANSWER_LIMIT_S} s") from None
    if done.returncode:
        raise _unreadable(address, done.stderr.decode(errors="replace"))
    answer: dict[str, list[str]] = {}
    for line in done.stdout.decode(errors="surrogateescape").splitlines():
        keyword, _, value = line.partition(" ")
        answer.setdefault(keyword.lower(), []).append(value)
    return answer


def _unreadable(address: Address, evidence: str) -> WrongInput:
    return WrongInput(
        f"ssh cannot read its configuration for {address.host}",
        evidence=evidence.strip()[-500:],
        remedy=f"correct ~/.ssh/config until this works: ssh -G {address.host}",
    )


@cache
def _usual(ssh: str | None) -> dict[str, list[str]]:
    """The defaults of ssh, or of Paramiko without ssh."""
    if not ssh:
        return {"identityfile": list(USUAL_KEYS)}
    return _ask(Address(host="localhost"), ["-F", "/dev/null", "localhost"])


def _redirected() -> str:
    """A configuration to read instead if HOME differs from the home folder that ssh uses."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    return "" if Path.home() == Path(home) else f"{_users_own()}\n{_systems()}"


def _names_user(address: Address) -> bool:
    """Whether the configuration sets a user, which the answer does not show."""
    text = f"{_users_own()}\n{_systems()}\nMatch all\n  User {NOBODY}\n"
    return _ssh(address, text).get("user") != [NOBODY]


def _users_own() -> str:
    """The user's file, its includes relative to HOME."""
    try:
        text = os.fsdecode(user_file().read_bytes())
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise WrongInput(f"{user_file()}: {error.strerror}", remedy="make it readable") from None
    return "\n".join(_from_home(line) for line in text.splitlines()) + "\nMatch all"


def _from_home(line: str) -> str:
    words = line.replace("=", " ", 1).split()
    if not words or words[0].lower() != "include":
        return line
    folder = user_file().parent
    try:
        included = shlex.split(line.replace("=", " ", 1), comments=True)[1:]
    except ValueError:
        return line  # ssh reports what is wrong with it
    paths = [folder / os.path.expanduser(word) for word in included]  # noqa: PTH111
    return " ".join(["Include", *(f'"{path}"' for path in paths)])


def _systems() -> str:
    return f"Include {SYSTEM}"


def _without_ssh(address: Address) -> Answer:
    """The answer of Paramiko's parser."""
    import paramiko

    config = paramiko.SSHConfig()
    try:
        for file in (user_file(), SYSTEM):
            if file.is_file():
                lines = file.read_text(encoding="utf-8").splitlines()
                _require_known_criteria(lines)
                config.parse(lines)
        keywords: Mapping[str, str | list[str]] = dict(config.lookup(address.host))
    except (paramiko.SSHException, ValueError, ImportError, OSError) as error:
        raise WrongInput(
            f"~/.ssh/config has what only ssh understands: {error}",
            remedy="install ssh (openssh-client), which piyard uses where it is installed",
        ) from None
    ignored = [name for name in (*ONLY_SSH, *NOT_HONOURED) if name.lower() in keywords]
    _warn(str(address), tuple(ignored), "piyard ignores without ssh (openssh-client)")
    values = {key: value if isinstance(value, list) else [value] for key, value in keywords.items()}
    return {"identityfile": list(USUAL_KEYS)} | values


def _require_known_criteria(lines: Sequence[str]) -> None:
    """Raise ``ValueError`` for a Match criterion that Paramiko would treat as true."""
    for line in lines:
        keyword, *words = shlex.split(line.replace("=", " ", 1), comments=True) or [""]
        while keyword.lower() == "match" and words:
            criterion = words.pop(0).lower().removeprefix("!")
            if criterion not in CRITERIA:
                raise ValueError(f"Match {criterion}")
            del words[: CRITERIA[criterion]]


@cache
def _warn(host: str, keywords: tuple[str, ...], consequence: str) -> None:
    """Warn once about unsupported keywords."""
    if keywords:
        say.note(f"{host}: your ssh configuration sets {', '.join(keywords)}, which {consequence}")
