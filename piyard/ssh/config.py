"""What ~/.ssh/config says of a host, as ``ssh -G`` answers it: it means here what it means to ssh.

On a machine without ssh Paramiko's parser answers, which knows less and says so.
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
"""A user that no configuration names: where ssh answers it, none was named."""
NOT_HONOURED = (
    *("BindInterface", "KnownHostsCommand", "PKCS11Provider", "ProxyUseFdpass"),
    *("PreferredAuthentications", "PubkeyAuthentication", "SecurityKeyProvider"),
    *("HostbasedAuthentication", "SetEnv", "VerifyHostKeyDNS"),
    *("Ciphers", "HostKeyAlgorithms", "KexAlgorithms", "MACs", "PubkeyAcceptedAlgorithms"),
)
"""What decides how ssh gets into a host, and what piyard cannot do."""
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
"""What Paramiko's Match knows, and how many words follow each."""
ONLY_SSH = ("Include",)
"""What Paramiko passes over."""

Answer = Mapping[str, Sequence[str]]
"""Keywords in lower case, each with its values in their order."""


def answer(address: Address) -> Answer:
    """What is configured for a host; ``user`` is missing where nobody named one.

    Raises ``WrongInput`` for a file that cannot be read.
    """
    if not shutil.which("ssh"):
        return _without_ssh(address)
    found = _ssh(address, _redirected())
    if not address.user and found.get("user") == [getpass.getuser()] and not _names_user(address):
        del found["user"]
    odd = [name for name in NOT_HONOURED if not is_usual(found, name.lower())]
    _warn(str(address), tuple(odd), "piyard cannot, and goes without")
    return found


def is_usual(found: Answer, keyword: str) -> bool:
    """Whether a keyword has the value that it has without any configuration."""
    return list(found.get(keyword, [])) == _usual(shutil.which("ssh")).get(keyword, [])


def user_file() -> Path:
    """The user's own configuration."""
    return Path("~/.ssh/config").expanduser()


def _ssh(address: Address, text: str) -> dict[str, list[str]]:
    """The answer by the usual files, or by a configuration of that text instead of them."""
    named = [*(["-l", address.user] if address.user else []),
             *(["-p", str(address.port)] if address.port else [])]  # fmt: skip
    if not text:
        return _ask(address, [*named, address.host])
    with tempfile.NamedTemporaryFile(prefix="piyard-ssh-") as file:
        file.write(os.fsencode(text))
        file.flush()
        return _ask(address, ["-F", file.name, *named, address.host])


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
    found: dict[str, list[str]] = {}
    for line in done.stdout.decode(errors="surrogateescape").splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword.lower(), []).append(value)
    return found


def _unreadable(address: Address, evidence: str) -> WrongInput:
    return WrongInput(
        f"ssh cannot read its configuration for {address.host}",
        evidence=evidence.strip()[-500:],
        remedy=f"mend ~/.ssh/config until this works: ssh -G {address.host}",
    )


@cache
def _usual(ssh: str | None) -> dict[str, list[str]]:
    """What that ssh answers without any configuration, or Paramiko where there is none."""
    if not ssh:
        return {"identityfile": list(USUAL_KEYS)}
    return _ask(Address(host="localhost"), ["-F", "/dev/null", "localhost"])


def _redirected() -> str:
    """A configuration to read instead where HOME is not the folder that ssh takes for it."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    return "" if Path.home() == Path(home) else f"{_users_own()}\n{_systems()}"


def _names_user(address: Address) -> bool:
    """Whether the configuration names a user, which the answer does not tell."""
    text = f"{_users_own()}\n{_systems()}\nMatch all\n  User {NOBODY}\n"
    return _ssh(address, text).get("user") != [NOBODY]


def _users_own() -> str:
    """The user's file, with its includes as if HOME were the home."""
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
        return line  # ssh says what is wrong with it
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
        found: Mapping[str, str | list[str]] = dict(config.lookup(address.host))
    except (paramiko.SSHException, ValueError, ImportError, OSError) as error:
        raise WrongInput(
            f"~/.ssh/config says what piyard alone does not understand: {error}",
            remedy="install ssh (openssh-client), which piyard asks where it is there",
        ) from None
    odd = [name for name in (*ONLY_SSH, *NOT_HONOURED) if name.lower() in found]
    _warn(str(address), tuple(odd), "piyard cannot without ssh (openssh-client)")
    values = {key: value if isinstance(value, list) else [value] for key, value in found.items()}
    return {"identityfile": list(USUAL_KEYS)} | values


def _require_known_criteria(lines: Sequence[str]) -> None:
    """Raise ``ValueError`` for a Match whose criterion Paramiko would take for fulfilled."""
    for line in lines:
        keyword, *words = shlex.split(line.replace("=", " ", 1), comments=True) or [""]
        while keyword.lower() == "match" and words:
            criterion = words.pop(0).lower().removeprefix("!")
            if criterion not in CRITERIA:
                raise ValueError(f"Match {criterion}")
            del words[: CRITERIA[criterion]]


@cache
def _warn(host: str, keywords: tuple[str, ...], why: str) -> None:
    """Say once what is not honoured."""
    if keywords:
        say.note(f"{host}: your ssh configuration sets {', '.join(keywords)}, which {why}")
