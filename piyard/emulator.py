"""Emulated boards: containers with sshd, every session under the target's CPU.

A board is named ``emulated:<target>``, or ``emulated:<target>/<n>`` for several. It starts on
demand and is reused while it exists; a stopped one is started again with its files. Each user and
each checkout has its own boards by these names, so that the releases of two checkouts never mix. A
target of this machine's own architecture runs without emulation.
"""

from __future__ import annotations

import io
import platform
import re
import socket
import tarfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piyard import deadline, digest, keys, lock, paths, say, target, whole
from piyard.address import Address
from piyard.containers import engine, image
from piyard.errors import EmulationFailed, NotSetUp, WrongInput, unknown
from piyard.ssh import Login
from piyard.target import Target

if TYPE_CHECKING:
    from docker.models.containers import Container

    from docker import DockerClient

PREFIX = "emulated:"
LABELS = "piyard"
LABEL, OWNER_LABEL, MADE_LABEL = f"{LABELS}.board", f"{LABELS}.owner", f"{LABELS}.made"
CHECKOUT_LABEL = f"{LABELS}.checkout"
START_LIMIT_S = 90
BINFMT = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")
LOOPBACK = "127.0.0.1"
USER, USER_ID, PORT = "pi", 1000, "22/tcp"
NAME = re.compile(r"(?:emulated:)?(?P<target>[^/]+)(?:/(?P<number>[1-9]\d{0,2}))?")
# A board's init restarts sshd when it dies, and reaps the processes that a session leaves behind.
SERVE = 'while :; do /usr/sbin/sshd -D -e "$@"; sleep 0.5; done'


class EmulatedBoard(msgspec.Struct, frozen=True, kw_only=True):
    """A running container that answers as a board."""

    name: str
    """``emulated:<target>`` or ``emulated:<target>/<n>``"""
    target: str
    container: str
    port: int
    checkout: str = str(paths.ROOT)
    """The checkout it belongs to; empty for a board of an older piyard, which did not record it."""

    @property
    def login(self) -> Login:
        """The login: this machine's key, and only the host key that we gave the board."""
        return Login(
            name=self.name,
            address=Address(host=LOOPBACK, user=USER, port=self.port),
            key=keys.login_key(),
            known_hosts=_known_hosts(self),
        )


def is_emulated(host: str) -> bool:
    """Whether a host is written ``emulated:<target>``."""
    return host.startswith(PREFIX)


def target_of(host: str) -> str:
    """The target of a board's name; raises ``WrongInput`` for one that cannot be a board."""
    match = NAME.fullmatch(host)
    if not match:
        raise WrongInput(
            f"'{host}' is not an emulated board", remedy=f"write {PREFIX}rpi5 or {PREFIX}rpi5/2"
        )
    _emulable(match["target"])
    return match["target"]


def up(host: str) -> EmulatedBoard:
    """Start the emulated board of that name unless it runs, and wait for its sshd."""
    kind = target.load(target_of(host))
    client = engine.connect()
    with _alone(host):
        container = _find(client, host) or _start(client, host, kind)
    return _wait_for_sshd(container, _id(host))


def down(host: str) -> bool:
    """Stop and remove this checkout's board of that name; False if there was none."""
    target_of(host)
    with _alone(host):
        container = _container(engine.connect(), host)
        if container:
            container.remove(force=True, v=True)
    return container is not None


def remove(board: EmulatedBoard) -> None:
    """Stop and remove a board of any checkout."""
    engine.connect().containers.get(board.container).remove(force=True, v=True)


def running() -> list[EmulatedBoard]:
    """The emulated boards of this checkout."""
    return [board for board in of_user() if board.checkout == str(paths.ROOT)]


def of_user() -> list[EmulatedBoard]:
    """The emulated boards of this user, of all checkouts."""
    labels = [LABEL, f"{OWNER_LABEL}={_owner()}"]
    containers = engine.connect().containers.list(filters={"label": labels})
    boards = [_board(container, container.labels[LABEL]) for container in containers]
    return sorted(filter(None, boards), key=lambda board: (board.name, board.checkout))


def runs_natively(kind: Target) -> bool:
    """Whether this machine runs that target's programs without emulation."""
    return platform.machine().replace("arm64", "aarch64") == kind.arch


def _emulable(name: str) -> Target:
    kind = target.load(name)
    if kind.arch != "aarch64" and not runs_natively(kind):
        boards = [n for n in target.names() if target.load(n).arch == "aarch64"]
        raise unknown("board to emulate", name, boards)
    return kind


def _id(host: str) -> str:
    """``rpi5`` or ``rpi5/2``: the name without the prefix."""
    return host.removeprefix(PREFIX)


def _container_name(host: str) -> str:
    suffix = digest.of_value([_owner(), str(paths.ROOT)])[:8]
    return f"piyard-{_id(host).replace('/', '-')}-{suffix}"


def _owner() -> str:
    """A digest of the user's key: two users of one machine share neither keys nor boards."""
    return digest.of_value(keys.public(keys.login_key()))[:8]


def _find(client: DockerClient, host: str) -> Container | None:
    """The board's running container, started if it stopped; an outdated one is removed."""
    container = _container(client, host)
    if container is None:
        return None
    if container.labels.get(MADE_LABEL) != _made_of(target.load(target_of(host))):
        container.remove(force=True, v=True)
        return None
    if container.status == "paused":
        raise EmulationFailed(
            f"the container of {host} is paused",
            remedy=f"docker unpause {container.name}",
        )
    if container.status != "running":
        container.start()
    return container


def _container(client: DockerClient, host: str) -> Container | None:
    import docker

    try:
        return client.containers.get(_container_name(host))
    except docker.errors.NotFound:
        return None


def _made_of(kind: Target) -> str:
    """A digest of image and settings: a container built from others is outdated."""
    return digest.of_value([_image_of(kind).tag, SERVE, kind.emulated_env])[:12]


def _image_of(kind: Target) -> image.Image:
    return image.board(kind.arch)


def _start(client: DockerClient, host: str, kind: Target) -> Container:
    if not runs_natively(kind):
        require_emulation()
    environment = [f"{name}={value}" for name, value in kind.emulated_env.items()]
    options = ["-o", f"SetEnv={' '.join(environment)}"] if environment else []
    container = client.containers.create(
        _image_of(kind).ensure(client),
        ["/bin/sh", "-c", SERVE, "board", *options],
        name=_container_name(host),
        labels={
            LABEL: _id(host),
            OWNER_LABEL: _owner(),
            CHECKOUT_LABEL: str(paths.ROOT),
            MADE_LABEL: _made_of(kind),
        },
        environment=kind.emulated_env,
        hostname=_id(host).replace("/", "-"),
        init=True,
        ports={PORT: (LOOPBACK, 0)},
    )
    container.put_archive("/", _identity(_id(host)))
    container.start()
    return container


def require_emulation() -> None:
    """Raise ``NotSetUp`` unless aarch64 programs run here.

    They do natively, or by an interpreter that the kernel keeps open (flag F).
    """
    if platform.machine() in {"aarch64", "arm64"}:
        return
    registration = BINFMT.read_text() if BINFMT.exists() else ""
    if "enabled" not in registration or "F" not in _flags(registration):
        raise NotSetUp(
            "this machine cannot run aarch64 programs (no binfmt qemu-aarch64 with flag F)",
            remedy=engine.SET_UP,
        )


def _flags(registration: str) -> str:
    return next((line[7:] for line in registration.splitlines() if line.startswith("flags: ")), "")


def _identity(board_id: str) -> bytes:
    """The key that may log in and the board's host key, as an archive to unpack at /."""
    user_key, board_key = keys.login_key(), keys.host_key(_key_name(board_id))
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        _add(
            archive,
            "home/pi/.ssh/authorized_keys",
            keys.public(user_key).encode() + b"\n",
            USER_ID,
        )
        _add(archive, "etc/ssh/ssh_host_ed25519_key", board_key.read_bytes(), 0)
    return content.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, owner: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o600, owner, owner
    archive.addfile(entry, io.BytesIO(content))


def _wait_for_sshd(container: Container, board_id: str) -> EmulatedBoard:
    if board := _answering(container, board_id):
        return board
    with say.step(f"wait for {PREFIX}{board_id}"):
        board = deadline.poll(lambda: _answering(container, board_id), START_LIMIT_S)
    if board is None:
        log = container.logs(tail=20).decode(errors="replace")
        raise EmulationFailed(
            f"the emulated board {board_id} did not answer within {START_LIMIT_S} s",
            evidence=log,
            remedy=f"invoke board.down --target {board_id}, then try again; invoke doctor",
        )
    return board


def _answering(container: Container, board_id: str) -> EmulatedBoard | None:
    container.reload()
    if container.status == "exited":
        raise EmulationFailed(
            f"the emulated board {board_id} stopped at once",
            evidence=container.logs(tail=20).decode(errors="replace"),
            remedy="invoke doctor checks the engine and emulation",
        )
    board = _board(container, board_id)
    return board if board and _greets(board.port) else None


def _board(container: Container, board_id: str) -> EmulatedBoard | None:
    ports: list[dict[str, Any]] = container.ports.get(PORT) or []
    if not ports:
        return None
    return EmulatedBoard(
        name=f"{PREFIX}{board_id}",
        target=target_of(board_id),
        container=str(container.name),
        port=int(ports[0]["HostPort"]),
        checkout=container.labels.get(CHECKOUT_LABEL, ""),
    )


def _greets(port: int) -> bool:
    """Whether sshd greets: Docker opens the port before sshd listens."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
            connection.settimeout(5)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _alone(host: str) -> AbstractContextManager[None]:
    """Excludes others that start or remove that board: two runs may need it at once."""
    return lock.held(paths.data() / "host_keys" / f"{_container_name(host)}.board.lock")


def _known_hosts(board: EmulatedBoard) -> Path:
    name = _key_name(_id(board.name))
    file = paths.data() / "host_keys" / f"{board.container}.known_hosts"
    whole.write(file, f"[{LOOPBACK}]:{board.port} {keys.public(keys.host_key(name))}\n")
    return file


def _key_name(board_id: str) -> str:
    return board_id.replace("/", "-")
