"""Host keys: known, pinned on first contact, or refused; and key pairs of emulated boards.

OpenSSH's known_hosts count, and piyard's own file of pinned keys; no key is accepted unchecked. The
key pairs are Ed25519: one to log in to emulated boards, and a host key for each of them.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard.board.ssh.settings import HostSettings
from piyard.core import console, paths
from piyard.core.errors import PROGRAM, HostKeyChanged, UnknownHostKey, WrongInput
from piyard.core.files import atomic_write
from piyard.core.store import file_lock

if TYPE_CHECKING:
    from paramiko import HostKeys, PKey, SSHClient


def login_key() -> Path:
    """This machine's private key for its emulated boards, generated at the first call."""
    return _ensure_key(paths.data() / "board_ed25519")


def host_key(board: str) -> Path:
    """An emulated board's host key, which stays the same when it is restarted."""
    return _ensure_key(paths.data() / "host_keys" / board)


def public_key(private: Path) -> str:
    """The public half, as OpenSSH writes it: type and base64."""
    return private.with_name(f"{private.name}.pub").read_text().strip()


def _ensure_key(private: Path) -> Path:
    if not private.exists():
        private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file_lock(private.with_name(f"{private.name}.lock")):
            if not private.exists():
                _generate_key(private)
    return private


def _generate_key(private: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    shown = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    private.with_name(f"{private.name}.pub").write_bytes(shown + b"\n")
    with atomic_write(private) as draft:
        draft.touch(mode=0o600)
        draft.write_bytes(secret)


KeyDecision = Callable[[str, Any], None]
"""What to do about a host of that name that shows an unknown key."""
REVOKED_MARK = "@revoked"
ENTRY_WORDS = 3
"""Words of a line of known_hosts: names, the key's type, the key."""
STRICT_VARIABLE = "PIYARD_STRICT_HOST_KEYS"
"""Set in the environment, it refuses unknown hosts, as ``--strict`` does: for CI."""


def pinned_hosts_file() -> Path:
    """piyard's own known_hosts, with the keys pinned on first contact."""
    return paths.data() / "known_hosts"


def refuse_unknown_hosts() -> None:
    """Refuse unknown host keys from now on."""
    os.environ[STRICT_VARIABLE] = "1"


class HostTrust(msgspec.Struct, frozen=True, kw_only=True):
    """Which host keys are accepted for a host."""

    shown_as: str = ""
    """Its name for Paramiko, with its port unless that is 22."""
    known_as: str = ""
    """Its name in known_hosts."""
    files: tuple[Path, ...] = ()
    """The user's and the system's known_hosts."""
    strict: bool = False


def trust_of(settings: HostSettings) -> HostTrust:
    """The host keys to accept by the user's configuration."""
    shown_as, known_as = settings.names
    return HostTrust(
        shown_as=shown_as, known_as=known_as, files=settings.known_hosts, strict=settings.strict
    )


def check_host_keys(client: SSHClient, only: Path | None, trust: HostTrust | None = None) -> None:
    """Make the client check host keys, by that file only or by the user's and piyard's own."""
    if only:
        client.load_host_keys(str(only))
        client.set_missing_host_key_policy(_policy(_refuse_other))
        return
    trust = trust or HostTrust()
    pinned_hosts_file().parent.mkdir(parents=True, exist_ok=True)
    pinned_hosts_file().touch(mode=0o600)
    revoked = {line[2] for file in trust.files for line in _read_lines(file, REVOKED_MARK, trust)}
    for files in (trust.files, (pinned_hosts_file(),)):
        for name, key in _read_keys(files, trust, revoked):
            client.get_host_keys().add(trust.shown_as, name, key)
        if client.get_host_keys().lookup(trust.shown_as):
            break
    decide = _refuse if trust.strict or os.environ.get(STRICT_VARIABLE) else _pin
    client.set_missing_host_key_policy(_policy(_refusing_revoked(decide, revoked), trust))


def _read_keys(
    files: Iterable[Path], trust: HostTrust, revoked: Container[str]
) -> list[tuple[str, PKey]]:
    """The keys of a host in these files, each with its type."""
    lines = (line for file in files for line in _read_lines(file, "", trust))
    keys = (_parse_key(line) for line in lines if line[2] not in revoked)
    return [(key.get_name(), key) for key in keys if key]


def _parse_key(words: Sequence[str]) -> PKey | None:
    """The key of a line; None for a type unknown to Paramiko, and for a damaged key."""
    from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

    try:
        entry = HostKeyEntry.from_line(" ".join(words))
    except (InvalidHostKey, ValueError):
        return None
    return entry.key if entry else None


def _read_lines(file: Path, marker: str, trust: HostTrust) -> Iterator[list[str]]:
    """The lines about a host with that marker, or without one: names, type, key."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(
            f"{file} cannot be read: {error}", remedy="repair it, or move it away"
        ) from None
    for line in lines:
        words = line.split()
        mark = words.pop(0) if line.startswith("@") else ""
        if mark == marker and len(words) >= ENTRY_WORDS and _names_host(words[0], trust.known_as):
            yield words[:ENTRY_WORDS]


def _names_host(patterns: str, host: str) -> bool:
    """Whether a line of known_hosts is about a host: hashed, or by patterns (``!`` negates)."""
    import paramiko

    if patterns.startswith("|1|"):
        return paramiko.HostKeys.hash_host(host, patterns) == patterns
    globs = patterns.lower().split(",")
    negated = any(_matches(host, glob[1:]) for glob in globs if glob.startswith("!"))
    return not negated and any(_matches(host, glob) for glob in globs)


def _matches(host: str, pattern: str) -> bool:
    """Only ``*`` and ``?`` are special: brackets belong to a name with a port."""
    return fnmatchcase(host.lower(), pattern.replace("[", "[[]"))


def _refusing_revoked(decide: KeyDecision, revoked: Container[str]) -> KeyDecision:
    def decided(hostname: str, key: PKey) -> None:
        if key.get_base64() in revoked:
            raise HostKeyChanged(
                f"{hostname} shows a host key that your known_hosts revokes",
                evidence=f"shown {key.get_name()} {fingerprint(key.asbytes())}",
                remedy="do not log in there: somebody may have that key; give the board a new one",
            )
        decide(hostname, key)

    return decided


def fingerprint(key: bytes) -> str:
    """A host key's fingerprint as ``ssh-keygen -l`` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def pin_host_key(host: str, key: PKey) -> list[str]:
    """Pin this key for the host in place of any other; returns the former fingerprints."""
    with _pinned_lock():
        return _rewrite_pinned(host, key)


def _rewrite_pinned(host: str, key: PKey) -> list[str]:
    import paramiko

    pinned, former = paramiko.HostKeys(), []
    for name, keys in _read_pinned().items():
        for pinned_key in keys.values():
            if name == host:
                former.append(fingerprint(pinned_key.asbytes()))
            else:
                pinned.add(name, pinned_key.get_name(), pinned_key)
    pinned.add(host, key.get_name(), key)
    with atomic_write(pinned_hosts_file()) as draft:
        draft.touch(mode=0o600)
        pinned.save(str(draft))
    return former


def user_pins_other_key(host: str, key: PKey) -> bool:
    """Whether ~/.ssh/known_hosts holds another key for that host."""
    file = Path("~/.ssh/known_hosts").expanduser()
    keys = [key for _, key in _read_keys((file,), HostTrust(known_as=host), ())]
    return bool(keys) and key not in keys


def _pinned_lock() -> AbstractContextManager[None]:
    """Excludes other changes of the pinned keys: boards are connected in parallel."""
    return file_lock(pinned_hosts_file().with_name("known_hosts.lock"))


def _read_pinned() -> HostKeys:
    import paramiko

    keys = paramiko.HostKeys()
    if pinned_hosts_file().exists():
        keys.load(str(pinned_hosts_file()))
    return keys


def _policy(decide: KeyDecision, trust: HostTrust | None = None) -> Any:
    import paramiko

    known_as = trust.known_as if trust else ""

    class Policy(paramiko.MissingHostKeyPolicy):
        """What to do about a host that no known_hosts file names."""

        def missing_host_key(self, _client: Any, hostname: str, key: Any) -> None:
            decide(known_as or hostname, key)

    return Policy()


def _pin(hostname: str, key: PKey) -> None:
    """Pin the key of an unknown host, and show its fingerprint."""
    console.info(
        f"first contact with {hostname}: {key.get_name()} {fingerprint(key.asbytes())}, pinned"
    )
    with _pinned_lock(), pinned_hosts_file().open("a") as pinned:
        pinned.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")


def _refuse(hostname: str, key: PKey) -> None:
    raise UnknownHostKey(
        f"{hostname} was never seen before, and unknown host keys are refused",
        evidence=f"shown {key.get_name()} {fingerprint(key.asbytes())}",
        remedy=f"if that is its key, pin it: {PROGRAM} fleet.trust --host NAME "
        "--fingerprint SHA256:…",
    )


def _refuse_other(hostname: str, key: PKey) -> None:
    raise HostKeyChanged(
        f"{hostname} shows another host key than the one it was given",
        evidence=f"shown {fingerprint(key.asbytes())}",
        remedy=f"stop it and start it again: {PROGRAM} board.down, {PROGRAM} board.up",
    )
