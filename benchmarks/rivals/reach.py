"""How everybody gets to the boards: the same ports, the same key, the same known host key."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rivals.keys import Keys
from piyard.board.emulator import LOOPBACK, USER

HOST = """\
Host {name}
    HostName {address}
    Port {port}
    User {user}
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
    StrictHostKeyChecking yes
"""


@dataclass(frozen=True)
class Reach:
    """Ports by the names of their boards, and a folder of the files that say the rest."""

    ports: dict[str, int]
    key: Path
    folder: Path

    @property
    def known_hosts(self) -> Path:
        """What the boards' host key is."""
        return self.folder / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """All of it as OpenSSH reads it; nothing of the user's own counts."""
        return self.folder / "ssh_config"

    @property
    def names(self) -> Path:
        """The boards' names, one a line."""
        return self.folder / "names"


def make(folder: Path, ports: dict[str, int], keys: Keys) -> Reach:
    """The way to boards at these ports, written into a folder that is made again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    reach = Reach(ports=ports, key=keys.login, folder=folder)
    reach.known_hosts.write_text(_known(ports.values(), keys))
    reach.ssh_config.write_text("".join(_host(reach, *board) for board in ports.items()))
    reach.names.write_text("".join(f"{name}\n" for name in ports))
    return reach


def _known(ports: Iterable[int], keys: Keys) -> str:
    host_key = keys.public(keys.host).read_text().strip()
    return "".join(f"[{LOOPBACK}]:{port} {host_key}\n" for port in ports)


def _host(reach: Reach, name: str, port: int) -> str:
    return HOST.format(
        name=name,
        address=LOOPBACK,
        port=port,
        user=USER,
        key=reach.key,
        known_hosts=reach.known_hosts,
    )
