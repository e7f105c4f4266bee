"""The container that is a simulated Pi: an emulated board whose kernel tells what files say."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker.models.containers import Container

from piyard.board.emulator import (
    LOOPBACK,
    PORT,
    SSHD_LOOP,
    START_LIMIT_S,
    USER_ID,
    _add_file,
    _board_image,
    _sshd_answers,
)
from piyard.board.ssh.hostkeys import _ensure_key, public_key
from piyard.build.builder import Build
from piyard.convert.conversions import Conversion
from piyard.core.cancel import wait_until
from piyard.core.containers import connect_engine
from piyard.core.target import load_target
from tests.support.simulated import firmware, kernel, stand_in
from tests.support.simulated.firmware import TOLD

LABEL = "piyard.test"
PROGRAMS = "/usr/local/bin"


def login_key(folder: Path) -> Path:
    """The one key that opens the board."""
    return _ensure_key(folder / "login")


def furnish(folder: Path, real: Build, conversion: Conversion) -> None:
    """Write all files that the board's /sys and /proc have, and its programs."""
    result = {
        f"{TOLD}/begin": stand_in.begin(),
        f"{TOLD}/outputs.jsonl": stand_in.outputs(conversion.outputs),
        **{f"{TOLD}/{name}": "" for name in ("throttled", "samples")},
        **{f"{TOLD}/{now}.{what}": "" for now in ("idle", "busy") for what in ("hz", "pmic")},
    }
    programs = {"vcgencmd": firmware.VCGENCMD, "sudo": firmware.SUDO}
    for shelf, files in (("sys", kernel.SYS | result), ("proc", kernel.PROC), ("bin", programs)):
        for name, text in files.items():
            file = folder / shelf / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    shutil.copy(real.nnrun, folder / "bin" / "nnrun")
    _open_to_others(folder)


def _open_to_others(folder: Path) -> None:
    """The board's users are others than this machine's."""
    for program in (folder / "bin").iterdir():
        program.chmod(0o755)
    (folder / "sys" / kernel.POLICY / "scaling_governor").chmod(0o666)
    (folder / "sys" / TOLD).chmod(0o777)
    (folder / "sys" / TOLD / "outputs").mkdir()


@contextmanager
def running(folder: Path) -> Iterator[tuple[Container, int]]:
    """The board and the port of its sshd; gone at the end."""
    result = _container(folder)
    try:
        result.put_archive("/", _identity(folder))
        result.start()
        yield result, _port(result)
    finally:
        result.remove(force=True, v=True)


def _container(folder: Path) -> Container:
    client, kind = connect_engine(), load_target("rpi5")
    host = client.api.create_host_config(
        binds=[
            f"{folder}/sys:/sys",
            f"{folder}/bin:{PROGRAMS}",
            *(f"{folder}/proc/{name}:/proc/{name}" for name in kernel.PROC),
        ],
        port_bindings={PORT: (LOOPBACK, None)},
        init=True,
    )
    # An engine hides /sys/firmware, where a Pi tells what it is; this one is ours.
    host["MaskedPaths"] = []
    environment = [f"{name}={value}" for name, value in kind.emulated_env.items()]
    serve = ["/bin/sh", "-c", SSHD_LOOP, "board", "-o", f"SetEnv={' '.join(environment)}"]
    container = client.api.create_container(
        _board_image(kind).ensure(client),
        serve,
        hostname="raspberrypi",
        labels={LABEL: "simulated-pi"},
        environment=environment,
        ports=[22],
        host_config=host,
    )
    return client.containers.get(container["Id"])


def _identity(folder: Path) -> bytes:
    """Who may log in, and the board's own key, as an archive to unpack at /."""
    ours, theirs = public_key(login_key(folder)), _ensure_key(folder / "host").read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content, owner in (
            ("home/pi/.ssh/authorized_keys", ours.encode() + b"\n", USER_ID),
            ("etc/ssh/ssh_host_ed25519_key", theirs, 0),
        ):
            _add_file(archive, name, content, owner)
    return packed.getvalue()


def _port(container: Container) -> int:
    def answering() -> int | None:
        container.reload()
        published = container.ports.get(PORT) or []
        port = int(published[0]["HostPort"]) if published else 0
        return port if port and _sshd_answers(port) else None

    port = wait_until(answering, START_LIMIT_S)
    assert port, container.logs(tail=20)
    return port
