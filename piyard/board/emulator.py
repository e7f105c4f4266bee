"""Emulated boards: containers with sshd, every session under the target's CPU.

A board is named ``emulated:<target>``, or ``emulated:<target>/<n>`` for several. It starts on
demand and is reused while it exists; a stopped one is started again with its files. Each user and
each checkout has its own boards by these names, so that the releases of two checkouts never mix. A
target of this machine's own architecture runs without emulation.
"""

from __future__ import annotations

import io
import platform
import socket
import tarfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.board.fleet.inventory import EMULATED_PREFIX, emulated_target, runs_natively
from piyard.board.ssh.address import Address
from piyard.board.ssh.hostkeys import host_key, login_key, public_key
from piyard.board.ssh.login import Login
from piyard.build.images import Image, board_image
from piyard.core import console, containers, paths
from piyard.core.cancel import wait_until
from piyard.core.containers import ENGINE_REMEDY, connect_engine
from piyard.core.errors import PROGRAM, EmulationFailed, NotSetUp
from piyard.core.files import sha256_of_value, write_text
from piyard.core.store import file_lock
from piyard.core.target import Target

if TYPE_CHECKING:
    from docker.models.containers import Container

    from docker import DockerClient


LABELS = "piyard"
BOARD_LABEL, OWNER_LABEL, RECIPE_LABEL = f"{LABELS}.board", f"{LABELS}.owner", f"{LABELS}.made"
CHECKOUT_LABEL = f"{LABELS}.checkout"
START_LIMIT_S = 180
GREETING_LIMIT_S = 45
"""Of one connection: on a busy machine an emulated sshd takes many seconds to greet, and begins
anew with each further connection."""
BINFMT = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")
LOOPBACK = "127.0.0.1"
USER, USER_ID, PORT = "pi", 1000, "22/tcp"

# A board's init restarts sshd when it dies, and reaps the processes that a session leaves behind.
SSHD_LOOP = 'while :; do /usr/sbin/sshd -D -e "$@"; sleep 0.5; done'


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
            key=login_key(),
            known_hosts=_known_hosts(self),
            connect_limit_s=GREETING_LIMIT_S,
        )


def start_emulated(host: str, target: Target) -> EmulatedBoard:
    """Start the emulated board of that name unless it runs, and wait for its sshd."""
    client = containers.connect_engine()
    with _board_lock(host):
        container = _find_running(client, host, target) or _start_container(client, host, target)
    return _wait_for_sshd(container, _board_id(host))


def stop_emulated(host: str) -> bool:
    """Stop and remove this checkout's board of that name; False if there was none."""
    emulated_target(host)
    with _board_lock(host):
        container = _find_container(containers.connect_engine(), host)
        if container:
            container.remove(force=True, v=True)
    return container is not None


def remove_emulated(board: EmulatedBoard) -> None:
    """Stop and remove a board of any checkout."""
    containers.connect_engine().containers.get(board.container).remove(force=True, v=True)


def list_emulated() -> list[EmulatedBoard]:
    """The emulated boards of this checkout."""
    return [board for board in list_user_emulated() if board.checkout == str(paths.ROOT)]


def list_user_emulated() -> list[EmulatedBoard]:
    """The emulated boards of this user, of all checkouts."""
    labels = [BOARD_LABEL, f"{OWNER_LABEL}={_owner()}"]
    containers = connect_engine().containers.list(filters={"label": labels})
    boards = [_emulated_board(container, container.labels[BOARD_LABEL]) for container in containers]
    return sorted(filter(None, boards), key=lambda board: (board.name, board.checkout))


def _board_id(host: str) -> str:
    """``rpi5`` or ``rpi5/2``: the name without the prefix."""
    return host.removeprefix(EMULATED_PREFIX)


def _container_name(host: str) -> str:
    suffix = sha256_of_value([_owner(), str(paths.ROOT)])[:8]
    return f"piyard-{_board_id(host).replace('/', '-')}-{suffix}"


def _owner() -> str:
    """A digest of the user's key: two users of one machine share neither keys nor boards."""
    return sha256_of_value(public_key(login_key()))[:8]


def _find_running(client: DockerClient, host: str, target: Target) -> Container | None:
    """The board's running container, started if it stopped; an outdated one is removed."""
    container = _find_container(client, host)
    if container is None:
        return None
    if container.labels.get(RECIPE_LABEL) != _recipe_digest(target):
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


def _find_container(client: DockerClient, host: str) -> Container | None:
    import docker

    try:
        return client.containers.get(_container_name(host))
    except docker.errors.NotFound:
        return None


def _recipe_digest(target: Target) -> str:
    """A digest of image and settings: a container built from others is outdated."""
    return sha256_of_value([_board_image(target).tag, SSHD_LOOP, target.emulated_env])[:12]


def _board_image(target: Target) -> Image:
    return board_image(target.arch)


def _start_container(client: DockerClient, host: str, target: Target) -> Container:
    if not runs_natively(target):
        require_emulation()
    environment = [f"{name}={value}" for name, value in target.emulated_env.items()]
    options = ["-o", f"SetEnv={' '.join(environment)}"] if environment else []
    container = client.containers.create(
        _board_image(target).ensure(client),
        ["/bin/sh", "-c", SSHD_LOOP, "board", *options],
        name=_container_name(host),
        labels={
            BOARD_LABEL: _board_id(host),
            OWNER_LABEL: _owner(),
            CHECKOUT_LABEL: str(paths.ROOT),
            RECIPE_LABEL: _recipe_digest(target),
        },
        environment=target.emulated_env,
        hostname=_board_id(host).replace("/", "-"),
        init=True,
        ports={PORT: (LOOPBACK, 0)},
    )
    container.put_archive("/", _identity_archive(_board_id(host)))
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
            remedy=ENGINE_REMEDY,
        )


def _flags(registration: str) -> str:
    return next((line[7:] for line in registration.splitlines() if line.startswith("flags: ")), "")


def _identity_archive(board_id: str) -> bytes:
    """The key that may log in and the board's host key, as an archive to unpack at /."""
    user_key, board_key = login_key(), host_key(_key_name(board_id))
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        _add_file(
            archive,
            "home/pi/.ssh/authorized_keys",
            public_key(user_key).encode() + b"\n",
            USER_ID,
        )
        _add_file(archive, "etc/ssh/ssh_host_ed25519_key", board_key.read_bytes(), 0)
    return content.getvalue()


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, owner: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o600, owner, owner
    archive.addfile(entry, io.BytesIO(content))


def _wait_for_sshd(container: Container, board_id: str) -> EmulatedBoard:
    if board := _find_answering(container, board_id):
        return board
    with console.step(f"wait for {EMULATED_PREFIX}{board_id}") as step:
        board = wait_until(lambda: _find_answering(container, board_id), START_LIMIT_S)
        step.ok = board is not None
    if board is None:
        log = container.logs(tail=20).decode(errors="replace")
        raise EmulationFailed(
            f"the emulated board {board_id} did not answer within {START_LIMIT_S} s",
            evidence=log,
            remedy="try again when this machine is less busy, or after "
            f"{PROGRAM} board.down --target {board_id}; {PROGRAM} doctor checks the emulation",
        )
    return board


def _find_answering(container: Container, board_id: str) -> EmulatedBoard | None:
    container.reload()
    if container.status == "exited":
        raise EmulationFailed(
            f"the emulated board {board_id} stopped at once",
            evidence=container.logs(tail=20).decode(errors="replace"),
            remedy=f"{PROGRAM} doctor checks the engine and emulation",
        )
    board = _emulated_board(container, board_id)
    return board if board and _sshd_answers(board.port) else None


def _emulated_board(container: Container, board_id: str) -> EmulatedBoard | None:
    ports: list[dict[str, str]] = container.ports.get(PORT) or []
    if not ports:
        return None
    return EmulatedBoard(
        name=f"{EMULATED_PREFIX}{board_id}",
        target=emulated_target(board_id).name,
        container=str(container.name),
        port=int(ports[0]["HostPort"]),
        checkout=container.labels.get(CHECKOUT_LABEL, ""),
    )


def _sshd_answers(port: int) -> bool:
    """Whether sshd greets: Docker opens the port before sshd listens."""
    try:
        with socket.create_connection((LOOPBACK, port), GREETING_LIMIT_S) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _board_lock(host: str) -> AbstractContextManager[None]:
    """Excludes others that start or remove that board: two runs may need it at once."""
    return file_lock(paths.data() / "host_keys" / f"{_container_name(host)}.board.lock")


def _known_hosts(board: EmulatedBoard) -> Path:
    name = _key_name(_board_id(board.name))
    file = paths.data() / "host_keys" / f"{board.container}.known_hosts"
    write_text(file, f"[{LOOPBACK}]:{board.port} {public_key(host_key(name))}\n")
    return file


def _key_name(board_id: str) -> str:
    return board_id.replace("/", "-")
