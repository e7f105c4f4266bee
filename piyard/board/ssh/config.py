"""The settings of ~/.ssh/config for a host.

They come from ``ssh -G`` and mean here what they mean to ssh. Without it, Paramiko's parser
reads the file; it supports less, and warns.
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

from piyard.board.ssh.address import Address
from piyard.core import console
from piyard.core.errors import WrongInput

ANSWER_LIMIT_S = 30
"""``Match exec`` runs commands, and ``CanonicalizeHostname`` asks the network."""
SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
UNSET_USER = "piyard-default-user"
"""A user that no configuration names: if ssh answers it, none was set."""
UNSUPPORTED_KEYWORDS = (
    *("BindInterface", "KnownHostsCommand", "PKCS11Provider", "ProxyUseFdpass"),
    *("PreferredAuthentications", "PubkeyAuthentication", "SecurityKeyProvider"),
    *("HostbasedAuthentication", "SetEnv", "VerifyHostKeyDNS"),
    *("Ciphers", "HostKeyAlgorithms", "KexAlgorithms", "MACs", "PubkeyAcceptedAlgorithms"),
)
"""Keywords that matter for ssh's login, and that piyard does not support."""
DEFAULT_KEYS = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")
MATCH_CRITERIA = {
    "all": 0,
    "canonical": 0,
    "host": 1,
    "originalhost": 1,
    "user": 1,
    "localuser": 1,
    "exec": 1,
}
"""The criteria of Match that Paramiko supports, and how many words follow each."""
SSH_ONLY_KEYWORDS = ("Include",)
"""Keywords that Paramiko ignores."""

SshConfig = Mapping[str, Sequence[str]]
"""Keywords in lower case, each with its values in order."""


def read_ssh_config(address: Address) -> SshConfig:
    """The configuration for a host; ``user`` is missing if no user was set.

    Raises ``WrongInput`` for a file that cannot be read.
    """
    if not shutil.which("ssh"):
        return _ask_paramiko(address)
    answer = _ask_ssh(address, _config_of_home())
    if not address.user and answer.get("user") == [getpass.getuser()] and not _names_user(address):
        del answer["user"]
    ignored = [name for name in UNSUPPORTED_KEYWORDS if not is_default(answer, name.lower())]
    _warn_unsupported(str(address), tuple(ignored), "piyard does not support and ignores")
    return answer


def is_default(answer: SshConfig, keyword: str) -> bool:
    """Whether a keyword has its default value."""
    return list(answer.get(keyword, [])) == _defaults(shutil.which("ssh")).get(keyword, [])


def user_config_file() -> Path:
    """The user's own configuration."""
    return Path("~/.ssh/config").expanduser()


def _ask_ssh(address: Address, text: str) -> dict[str, list[str]]:
    """ssh's answer from its usual files, or from a configuration of that text."""
    options = [*(["-l", address.user] if address.user else []),
             *(["-p", str(address.port)] if address.port else [])]  # fmt: skip
    if not text:
        return _run_ssh(address, [*options, address.host])
    with tempfile.NamedTemporaryFile(prefix="piyard-ssh-") as file:
        file.write(os.fsencode(text))
        file.flush()
        return _run_ssh(address, ["-F", file.name, *options, address.host])


def _run_ssh(address: Address, arguments: Sequence[str]) -> dict[str, list[str]]:
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
def _defaults(ssh: str | None) -> dict[str, list[str]]:
    """The defaults of ssh, or of Paramiko without ssh."""
    if not ssh:
        return {"identityfile": list(DEFAULT_KEYS)}
    return _run_ssh(Address(host="localhost"), ["-F", "/dev/null", "localhost"])


def _config_of_home() -> str:
    """A configuration to read instead if HOME differs from the home folder that ssh uses."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    return "" if Path.home() == Path(home) else f"{_user_config()}\n{_system_config()}"


def _names_user(address: Address) -> bool:
    """Whether the configuration sets a user, which the answer does not show."""
    text = f"{_user_config()}\n{_system_config()}\nMatch all\n  User {UNSET_USER}\n"
    return _ask_ssh(address, text).get("user") != [UNSET_USER]


def _user_config() -> str:
    """The user's file, its includes relative to HOME."""
    try:
        text = os.fsdecode(user_config_file().read_bytes())
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise WrongInput(
            f"{user_config_file()}: {error.strerror}", remedy="make it readable"
        ) from None
    return "\n".join(_from_home(line) for line in text.splitlines()) + "\nMatch all"


def _from_home(line: str) -> str:
    words = line.replace("=", " ", 1).split()
    if not words or words[0].lower() != "include":
        return line
    folder = user_config_file().parent
    try:
        included = shlex.split(line.replace("=", " ", 1), comments=True)[1:]
    except ValueError:
        return line  # ssh reports what is wrong with it
    paths = [folder / os.path.expanduser(word) for word in included]  # noqa: PTH111
    return " ".join(["Include", *(f'"{path}"' for path in paths)])


def _system_config() -> str:
    return f"Include {SYSTEM_CONFIG}"


def _ask_paramiko(address: Address) -> SshConfig:
    """The answer of Paramiko's parser."""
    import paramiko

    config = paramiko.SSHConfig()
    try:
        for file in (user_config_file(), SYSTEM_CONFIG):
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
    ignored = [
        name for name in (*SSH_ONLY_KEYWORDS, *UNSUPPORTED_KEYWORDS) if name.lower() in keywords
    ]
    _warn_unsupported(str(address), tuple(ignored), "piyard ignores without ssh (openssh-client)")
    values = {key: value if isinstance(value, list) else [value] for key, value in keywords.items()}
    return {"identityfile": list(DEFAULT_KEYS)} | values


def _require_known_criteria(lines: Sequence[str]) -> None:
    """Raise ``ValueError`` for a Match criterion that Paramiko would treat as true."""
    for line in lines:
        keyword, *words = shlex.split(line.replace("=", " ", 1), comments=True) or [""]
        while keyword.lower() == "match" and words:
            criterion = words.pop(0).lower().removeprefix("!")
            if criterion not in MATCH_CRITERIA:
                raise ValueError(f"Match {criterion}")
            del words[: MATCH_CRITERIA[criterion]]


@cache
def _warn_unsupported(host: str, keywords: tuple[str, ...], consequence: str) -> None:
    """Warn once about unsupported keywords."""
    if keywords:
        console.info(
            f"{host}: your ssh configuration sets {', '.join(keywords)}, which {consequence}"
        )
