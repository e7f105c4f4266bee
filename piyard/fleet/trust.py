"""Boards under inspection: a new one for the inventory, one's fitness for piyard, its host key."""

from __future__ import annotations

from piyard import say, ssh
from piyard.board import Line
from piyard.errors import HostKeyChanged, WrongInput
from piyard.ssh import hostkeys


def trust(name: str, fingerprint: str, *, dry_run: bool) -> None:
    """Pin the host key; with a ``fingerprint``, any other key is refused."""
    connection = Line(name)
    if connection.emulated:
        raise WrongInput(
            f"{name} is emulated: its host key is the one that piyard gave it",
            remedy="fleet.trust is for real boards",
        )
    try:
        host, key = ssh.shown_key(connection.login())
    finally:
        connection.close()
    shown = hostkeys.fingerprint(key.asbytes())
    if fingerprint and fingerprint != shown:
        raise HostKeyChanged(
            f"{name} shows another key than the one you trust",
            evidence=f"expected {fingerprint}\nshown    {shown}",
            remedy="look at the board itself: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub",
        )
    if dry_run:
        print(f"pin {key.get_name()} {shown} for {host}")
        return
    former = hostkeys.replace(host, key)
    instead = f", instead of {', '.join(former)}" if former and former != [shown] else ""
    print(f"{name}: {key.get_name()} {shown} is pinned for {host}{instead}")
    if hostkeys.user_disagrees(host, key):
        say.note(
            f"~/.ssh/known_hosts holds another key for it, which is yours to remove:\n"
            f"  ssh-keygen -R '{host}'"
        )
