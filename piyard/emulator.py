"""Emulated boards: arm64 containers with sshd, every session under the target's CPU.

A board is named after its target, starts on demand, and is found again while it runs.
"""

from __future__ import annotations

import io
import socket
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import deadline, digest, engine, image, keys, paths, say, target
from piyard.address import Address
from piyard.errors import EmulationFailed, NotSetUp, unknown
from piyard.ssh import Login
from piyard.target import Target

if TYPE_CHECKING:
    from docker.models.containers import Container

    from docker import DockerClient

PREFIX = "emulated:"
LABEL, OWNER_LABEL = "piyard.board", "piyard.owner"
START_LIMIT_S = 90
BINFMT = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")
LOOPBACK = "127.0.0.1"
USER, USER_ID, PORT = "pi", 1000, "22/tcp"


class EmulatedBoard(msgspec.Struct, frozen=True, kw_only=True):
    """A running container that answers as a board."""

    name: str
    """``emulated:<target>``"""
    target: str
    container: str
    port: int

    @property
    def login(self) -> Login:
        """How to get in: this machine's key, and only the host key that we gave the board."""
        return Login(
            name=self.name,
            address=Address(host=LOOPBACK, user=USER, port=self.port),
            key=keys.login_key(),
            known_hosts=_known_hosts(self),
        )


def is_emulated(host: str) -> bool:
    """Whether a host is written ``emulated:<target>``."""
    return host.startswith(PREFIX)


def up(target_name: str) -> EmulatedBoard:
    """The emulated board of that target, started if it does not run; waits for its sshd."""
    kind = _emulable(target_name)
    client = engine.connect()
    container = _find(client, target_name)
    if container is None:
        container = _start(client, target_name, kind)
    return _wait_for_sshd(container, target_name)


def down(target_name: str) -> bool:
    """Stop and remove that board; False when there was none."""
    _emulable(target_name)
    container = _find(engine.connect(), target_name, running=False)
    if container:
        container.remove(force=True, v=True)
    return container is not None


def running() -> list[EmulatedBoard]:
    """The emulated boards there are now."""
    ours = [LABEL, f"{OWNER_LABEL}={_owner()}"]
    containers = engine.connect().containers.list(filters={"label": ours})
    boards = [_board(container, container.labels[LABEL]) for container in containers]
    return sorted((board for board in boards if board), key=lambda board: board.name)


def _emulable(name: str) -> Target:
    kind = target.load(name)
    if kind.arch != "aarch64":
        boards = [n for n in target.names() if target.load(n).arch == "aarch64"]
        raise unknown("board to emulate", name, boards)
    return kind


def _container_name(target_name: str) -> str:
    return f"piyard-{target_name}-{_owner()}"


def _owner() -> str:
    """Whose boards they are: two users of one machine do not share keys, so neither boards."""
    return digest.of_value(keys.public(keys.login_key()))[:8]


def _find(client: DockerClient, target_name: str, *, running: bool = True) -> Container | None:
    """The board's container; one that stopped, or is of an older image, is removed."""
    import docker

    try:
        container = client.containers.get(_container_name(target_name))
    except docker.errors.NotFound:
        return None
    if running and (container.status != "running" or _image_tag(container) != image.BOARD.tag):
        container.remove(force=True, v=True)
        return None
    return container


def _image_tag(container: Container) -> str:
    attributes: dict[str, Any] = container.attrs
    return str(attributes["Config"]["Image"])


def _start(client: DockerClient, target_name: str, kind: Target) -> Container:
    require_emulation()
    tag = image.BOARD.ensure(client)
    environment = " ".join(f"{name}={value}" for name, value in kind.emulated_env.items())
    container = client.containers.create(
        tag,
        ["/usr/sbin/sshd", "-D", "-e", "-o", f"SetEnv={environment}"],
        name=_container_name(target_name),
        labels={LABEL: target_name, OWNER_LABEL: _owner()},
        environment=kind.emulated_env,
        hostname=target_name,
        ports={PORT: (LOOPBACK, 0)},
    )
    container.put_archive("/", _identity(target_name))
    container.start()
    return container


def require_emulation() -> None:
    """aarch64 programs must run here: natively, or by an interpreter the kernel keeps open (F)."""
    import platform

    if platform.machine() in {"aarch64", "arm64"}:
        return
    registered = BINFMT.read_text() if BINFMT.exists() else ""
    if "enabled" not in registered or "F" not in _flags(registered):
        raise NotSetUp(
            "this machine cannot run aarch64 programs (no binfmt qemu-aarch64 with flag F)",
            remedy=engine.SET_UP,
        )


def _flags(registered: str) -> str:
    return next((line[7:] for line in registered.splitlines() if line.startswith("flags: ")), "")


def _identity(target_name: str) -> bytes:
    """The key that may log in and the board's host key, as an archive to unpack at /."""
    ours, theirs = keys.login_key(), keys.host_key(target_name)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        _add(archive, "home/pi/.ssh/authorized_keys", keys.public(ours).encode() + b"\n", USER_ID)
        _add(archive, "etc/ssh/ssh_host_ed25519_key", theirs.read_bytes(), 0)
    return packed.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, owner: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o600, owner, owner
    archive.addfile(entry, io.BytesIO(content))


def _wait_for_sshd(container: Container, target_name: str) -> EmulatedBoard:
    with say.step(f"wait for emulated:{target_name}"):
        board = deadline.poll(lambda: _answering(container, target_name), START_LIMIT_S)
    if board is None:
        log = container.logs(tail=20).decode(errors="replace")
        raise EmulationFailed(
            f"the emulated board {target_name} did not answer within {START_LIMIT_S} s",
            evidence=log,
            remedy=f"invoke board.down --target {target_name}, then try again; invoke doctor",
        )
    return board


def _answering(container: Container, target_name: str) -> EmulatedBoard | None:
    container.reload()
    if container.status == "exited":
        raise EmulationFailed(
            f"the emulated board {target_name} stopped at once",
            evidence=container.logs(tail=20).decode(errors="replace"),
            remedy="invoke doctor checks the engine and emulation",
        )
    board = _board(container, target_name)
    return board if board and _greets(board.port) else None


def _board(container: Container, target_name: str) -> EmulatedBoard | None:
    published: list[dict[str, Any]] = container.ports.get(PORT) or []
    if not published:
        return None
    return EmulatedBoard(
        name=f"{PREFIX}{target_name}",
        target=target_name,
        container=str(container.name),
        port=int(published[0]["HostPort"]),
    )


def _greets(port: int) -> bool:
    """The port is open before sshd is: only its greeting counts."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _known_hosts(board: EmulatedBoard) -> Path:
    file = paths.data() / "host_keys" / f"{board.target}.known_hosts"
    file.write_text(f"[{LOOPBACK}]:{board.port} {keys.public(keys.host_key(board.target))}\n")
    return file
