"""Boards to compare on: containers of this machine's own architecture, with sshd on loopback.

They hold what piyard's own emulated boards hold, and rsync and Python for those who need them.
"""

from __future__ import annotations

import io
import platform
import socket
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.rivals.keys import Keys
from piyard.board.emulator import LOOPBACK, PORT, START_LIMIT_S, USER, USER_ID
from piyard.build.images import DEBIAN_ARCHITECTURES, Base, Image
from piyard.core.cancel import wait_until
from piyard.core.containers import connect_engine
from piyard.core.errors import BoardCommandFailed, EmulationFailed

if TYPE_CHECKING:
    from docker.models.containers import Container

    from docker import DockerClient

NAME = "rival-board"
HOME = "/home/pi"
LABEL = "piyard.benchmark"
LIFE = "8h"
"""A board of a program that was killed goes by itself."""
EMPTY = f"find {HOME} -mindepth 1 -maxdepth 1 ! -name .ssh -exec rm -rf {{}} +"
VERIFY = 'cd "$1" && printf %s "$2" | sha256sum -c --quiet -'


@dataclass(frozen=True)
class Board:
    """A running container and the loopback port of its sshd."""

    name: str
    port: int
    container: Container

    def empty(self) -> None:
        """Leave nothing there of what anybody deployed."""
        self._run(["sh", "-c", EMPTY])

    def require(self, folder: str, sums: str) -> None:
        """Raise unless a folder of the login user's holds files of these sha256."""
        self._run(["sh", "-c", VERIFY, "verify", f"{HOME}/{folder}", sums])

    def received(self) -> int:
        """Bytes that arrived at its network interfaces so far, headers included."""
        links = self._run(["cat", "/proc/net/dev"]).splitlines()[2:]
        counts = (link.split(":") for link in links)
        return sum(int(count.split()[0]) for name, count in counts if name.strip() != "lo")

    def _run(self, argv: list[str]) -> str:
        done: Any = self.container.exec_run(argv, user=USER)
        said = str(done.output, errors="replace")
        if done.exit_code:
            raise BoardCommandFailed(f"{self.name}: '{argv[0]}' failed", evidence=said)
        return said


@contextmanager
def running(count: int, keys: Keys) -> Iterator[list[Board]]:
    """So many boards, gone at the end whatever happens."""
    client = connect_engine()
    tag = _image().ensure(client)
    with ExitStack() as stack:
        started = [stack.enter_context(_container(client, tag, keys)) for _ in range(count)]
        yield [_board(container, f"board-{n}") for n, container in enumerate(started, 1)]


def _image() -> Image:
    debian = DEBIAN_ARCHITECTURES[platform.machine().replace("arm64", "aarch64")]
    unpacked = Base(
        name=NAME, platform=f"linux/{debian}", architectures=[debian], variant="extract"
    )
    return Image(
        name=NAME, base=unpacked, copies=[f"{NAME}.packages", "board-setup.sh", "sshd_config"]
    )


@contextmanager
def _container(client: DockerClient, tag: str, keys: Keys) -> Iterator[Container]:
    import docker

    container = client.containers.create(
        tag,
        ["timeout", LIFE, "/usr/sbin/sshd", "-D", "-e"],
        labels={LABEL: NAME},
        init=True,
        auto_remove=True,
        ports={PORT: (LOOPBACK, 0)},
    )
    try:
        container.put_archive("/", _identity(keys))
        container.start()
        yield container
    finally:
        with suppress(docker.errors.APIError):  # its life was over
            container.remove(force=True, v=True)


def _identity(keys: Keys) -> bytes:
    """The key that may log in and the board's own, as an archive to unpack at /."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        _add(archive, "home/pi/.ssh/authorized_keys", keys.public(keys.login), USER_ID)
        _add(archive, "etc/ssh/ssh_host_ed25519_key", keys.host, 0)
    return packed.getvalue()


def _add(archive: tarfile.TarFile, name: str, source: Path, owner: int) -> None:
    content = source.read_bytes()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o600, owner, owner
    archive.addfile(entry, io.BytesIO(content))


def _board(container: Container, name: str) -> Board:
    port = wait_until(partial(_port, container), START_LIMIT_S)
    if port is None:
        raise EmulationFailed(
            f"{name} did not come up", evidence=container.logs(tail=20).decode(errors="replace")
        )
    return Board(name, port, container)


def _port(container: Container) -> int | None:
    container.reload()
    published: list[dict[str, Any]] = container.ports.get(PORT) or []
    port = int(published[0]["HostPort"]) if published else 0
    return port if port and _greets(port) else None


def _greets(port: int) -> bool:
    """The port is open before sshd is: only its greeting counts."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
