"""Host keys: known, pinned on first contact, or refused; never accepted unseen.

OpenSSH's own known_hosts count, and piyard's beside them, which holds what was pinned.
"""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piyard import lock, paths, say, whole
from piyard.errors import HostKeyChanged, UnknownHostKey

if TYPE_CHECKING:
    from paramiko import HostKeys, PKey, SSHClient

STRICT = "PIYARD_STRICT_HOST_KEYS"
"""Set in the environment, it refuses hosts never seen before: for CI, as ``--strict`` does."""


def pinned_hosts() -> Path:
    """piyard's own known_hosts, with the keys pinned on first contact."""
    return paths.data() / "known_hosts"


def be_strict() -> None:
    """From now on refuse a host whose key is not known."""
    os.environ[STRICT] = "1"


def check(client: SSHClient, only: Path | None) -> None:
    """Make the client check host keys: by that file alone, or by the user's and piyard's own."""
    if only:
        client.load_host_keys(str(only))
        client.set_missing_host_key_policy(_policy(_refuse_other))
        return
    client.load_system_host_keys()
    pinned_hosts().parent.mkdir(parents=True, exist_ok=True)
    pinned_hosts().touch(mode=0o600)
    client.load_host_keys(str(pinned_hosts()))
    client.set_missing_host_key_policy(_policy(_refuse if os.environ.get(STRICT) else _pin))


def fingerprint(key: bytes) -> str:
    """A host key's fingerprint as ``ssh-keygen -l`` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def replace(host: str, key: PKey) -> list[str]:
    """Pin this key for the host instead of any other; the fingerprints it had."""
    with _alone():
        return _replace(host, key)


def _replace(host: str, key: PKey) -> list[str]:
    import paramiko

    kept, former = paramiko.HostKeys(), []
    for line in _pinned().items():
        name, keys = line
        for known in keys.values():
            if name == host:
                former.append(fingerprint(known.asbytes()))
            else:
                kept.add(name, known.get_name(), known)
    kept.add(host, key.get_name(), key)
    with whole.draft(pinned_hosts()) as draft:
        draft.touch(mode=0o600)
        kept.save(str(draft))
    return former


def user_disagrees(host: str, key: PKey) -> bool:
    """Whether ~/.ssh/known_hosts holds another key for that host."""
    import paramiko

    keys = paramiko.HostKeys()
    file = Path("~/.ssh/known_hosts").expanduser()
    if file.exists():
        keys.load(str(file))
    known = keys.lookup(host)
    return bool(known) and not keys.check(host, key)


def _alone() -> AbstractContextManager[None]:
    """The only change to the pinned keys: boards are met many at a time."""
    return lock.held(pinned_hosts().with_name("known_hosts.lock"))


def _pinned() -> HostKeys:
    import paramiko

    keys = paramiko.HostKeys()
    if pinned_hosts().exists():
        keys.load(str(pinned_hosts()))
    return keys


def _policy(decide: Any) -> Any:
    import paramiko

    class Policy(paramiko.MissingHostKeyPolicy):
        """What to do about a host that no known_hosts file names."""

        def missing_host_key(self, _client: Any, hostname: str, key: Any) -> None:
            decide(hostname, key)

    return Policy()


def _pin(hostname: str, key: PKey) -> None:
    """Trust a host never seen before, show its fingerprint, and hold it to that key."""
    say.note(
        f"first contact with {hostname}: {key.get_name()} {fingerprint(key.asbytes())}, pinned"
    )
    with _alone(), pinned_hosts().open("a") as pinned:
        pinned.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")


def _refuse(hostname: str, key: PKey) -> None:
    raise UnknownHostKey(
        f"{hostname} was never seen before, and unknown host keys are refused",
        evidence=f"shown {key.get_name()} {fingerprint(key.asbytes())}",
        remedy="if that is its key, pin it: invoke fleet.trust --host NAME --fingerprint SHA256:…",
    )


def _refuse_other(hostname: str, key: PKey) -> None:
    raise HostKeyChanged(
        f"{hostname} shows a host key that is not the one it was given",
        evidence=f"shown {fingerprint(key.asbytes())}",
        remedy="stop it and start it again: invoke board.down, invoke board.up",
    )
