"""What goes wrong between a desktop and a board: cut links, lost power, full disks, killed sshds.

A Pi is a container with a real OpenSSH server, reached from behind by the engine. What runs there
is a stand-in for nnrun: a shell script whose verb says how it behaves.
"""

from __future__ import annotations

import hashlib
import platform
import random
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.emulator import (
    LOOPBACK,
    PORT,
    SSHD_LOOP,
    USER,
    USER_ID,
    EmulatedBoard,
    _board_image,
    _identity_archive,
    _wait_for_sshd,
)
from piyard.board.fleet.selection import select_board
from piyard.board.release import HOME, Release, ReleaseFile
from piyard.board.ssh.address import Address
from piyard.board.ssh.hostkeys import host_key, login_key, public_key
from piyard.board.ssh.login import Login
from piyard.build.builder import Build, BuildManifest
from piyard.convert.conversions import LABELS_FILE, Conversion, ConversionManifest
from piyard.core import cancel
from piyard.core.containers import connect_engine
from piyard.core.files import sha256_of_value
from piyard.core.store import get_or_make
from piyard.core.target import load_target
from piyard.run.execute import NnrunCommand, run_job
from piyard.run.job import Job, JobContext, Prepared, RunOptions
from piyard.run.outcomes import JobOutcomes
from piyard.run.record import Record, TaskInfo
from piyard.run.schedule import run_on_boards
from tests.support import plans, synthetic_results

BOARD = "emulated:desktop/1"
SMALL = [20_000] * 9
LARGE = [*SMALL, 3_000_000]
"""Sizes of files."""
LIMIT_S = 30
BLOCK = 1 << 14
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER that makes closing a socket a reset."""

NNRUN = r"""#!/bin/sh
# A stand-in for nnrun: $1 says how it behaves.
up() { read -r up _ < /proc/uptime && printf '%s' "$up"; }
lines() { n=0; while [ $n -lt "$1" ]; do n=$((n + 1)); echo "line $n"; sleep 0.25; done; }
case $1 in
lines) lines "$2"; echo all ;;
flood) exec cat /dev/zero ;;
stubborn)
    trap '' TERM
    sleep 987 &
    sh -c 'sleep 987; :' &
    echo deaf
    while :; do sleep 987; done
    ;;
once_long)
    if [ -e "$HOME/been-here" ]; then echo second; else touch "$HOME/been-here"; lines 2000; fi
    ;;
stamp)
    echo "start $2 $(up)" >> "$HOME/stamps"
    sleep 2
    echo "end $2 $(up)" >> "$HOME/stamps"
    ;;
esac
"""


class Pi:
    """A board as the one who breaks it sees it; ``sh`` needs no SSH."""

    def __init__(self, board: EmulatedBoard) -> None:
        self.board = board
        self._client = connect_engine()
        self._container = self._client.containers.get(board.container)

    def sh(self, script: str, *arguments: str, user: str = "pi", check: bool = True) -> str:
        """What a shell script says that runs on the board."""
        done: Any = self._container.exec_run(
            ["sh", "-c", script, "sh", *arguments], user=user, workdir="/home/pi",
            environment={"HOME": "/home/pi"},
        )  # fmt: skip
        said: str = done.output.decode(errors="replace")
        assert done.exit_code == 0 or not check, said
        return said

    def root(self, script: str, *arguments: str) -> str:
        """The same as root."""
        return self.sh(script, *arguments, user="root")

    def lose_power(self) -> None:
        """Off and on again, without a goodbye."""
        self._container.restart(timeout=0)
        self.await_sshd()

    def await_sshd(self) -> None:
        """Wait until somebody listens again; a restart gives it another port."""
        self.board = plans.start_emulated(self.board.name)

    def signal_sshd(self, signal: str) -> None:
        """Signal each sshd there, the listening one too."""
        self.sh(f"pkill -{signal} sshd", user="root", check=False)

    def processes(self, text: str) -> list[str]:
        """The commands of the login user that contain the text."""
        said = self.sh("ps -u pi -o pid=,stat=,args= | grep -v ' Z'", check=False)
        ours = ("ps -u pi", "grep -v")
        return [p for p in said.splitlines() if text in p and not any(o in p for o in ours)]

    def current(self) -> str:
        """The id of the current release, empty when there is none."""
        return self.sh(f"readlink {HOME}/current", check=False).strip().rpartition("/")[2]

    def blobs(self) -> set[str]:
        """The names of the blobs, parts included."""
        return set(self.sh(f"ls -A {HOME}/blobs", check=False).split()) - {".verified"}

    def releases(self) -> dict[str, dict[str, str]]:
        """The sha256 of each file of each release that has its name."""
        said = self.sh(f"cd {HOME}/releases && sha256sum -- */*", check=False)
        result: dict[str, dict[str, str]] = {}
        for line in said.splitlines():
            if "No such file" not in line:
                sha, _, path = line.partition("  ")
                folder, _, name = path.partition("/")
                result.setdefault(folder, {})[name] = sha
        return result

    def wipe(self) -> None:
        """Nothing of piyard is left."""
        self.sh(f"chmod -R u+w {HOME} 2> /dev/null; rm -rf {HOME} been-here stamps", check=False)

    def close(self) -> None:
        self._client.close()


@contextmanager
def with_room(size: str) -> Iterator[Pi]:
    """A board on whose disk piyard has that much room."""
    client, kind = connect_engine(), load_target("desktop")
    container = client.containers.create(
        _board_image(kind).ensure(client),
        ["/bin/sh", "-c", SSHD_LOOP, "board"],
        tmpfs={f"/home/pi/{HOME}": f"exec,size={size},uid={USER_ID},mode=700"},
        ports={PORT: (LOOPBACK, 0)},
        init=True,
    )
    try:
        container.put_archive("/", _identity_archive("desktop/9"))
        container.start()
        pi = Pi(_wait_for_sshd(container, "desktop/9"))
        yield pi
        pi.close()
    finally:
        container.remove(force=True, v=True)
        client.close()


def wait_until(so: Any, what: str, limit_s: float = LIMIT_S) -> None:
    """Wait for something that has to come true."""
    assert cancel.wait_until(lambda: so() or None, limit_s), f"never: {what}"


class Cutter:
    """A link to a port here that breaks once so many bytes went to the server."""

    def __init__(self, to: int, after: int | None = None) -> None:
        self._to, self.after = to, after
        self.passed = 0
        self.cut = False
        self._guard = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((LOOPBACK, self._to))
                for pump in (self._up, self._down):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while block := client.recv(self._room()):
                self.passed += len(block)
                server.sendall(block)
                if self.after is not None and self.passed >= self.after:
                    self.cut = True
                    break
        _hang_up(client, server, reset=False)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while block := server.recv(BLOCK):
                client.sendall(block)
        _hang_up(client, server, reset=self.cut)

    def _room(self) -> int:
        """How much may pass before the cut."""
        return BLOCK if self.after is None else max(1, min(BLOCK, self.after - self.passed))

    def close(self) -> None:
        self._listener.close()


def _hang_up(*ends: socket.socket, reset: bool) -> None:
    for end in ends:
        with suppress(OSError):
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def link(board: EmulatedBoard, folder: Path, after: int | None = None) -> Iterator[Cutter]:
    """A breakable link to the board's sshd, and the known_hosts file that names it."""
    cutter = Cutter(board.port, after)
    key = public_key(host_key(board.name.removeprefix("emulated:").replace("/", "-")))
    (folder / "linked").write_text(f"[{LOOPBACK}]:{cutter.port} {key}\n")
    try:
        yield cutter
    finally:
        cutter.close()


def over(cutter: Cutter, folder: Path) -> Login:
    """How to get in over that link."""
    return Login(
        name="pi5",
        address=Address(host=LOOPBACK, user=USER, port=cutter.port),
        key=login_key(),
        known_hosts=folder / "linked",
    )


def file(folder: Path, name: str, content: bytes) -> ReleaseFile:
    """A file for a release."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    sha = hashlib.sha256(content).hexdigest()
    return ReleaseFile(name=name, path=folder / name, sha256=sha, size=len(content))


def release(folder: Path, seed: int, sizes: Sequence[int]) -> Release:
    """nnrun and files of random bytes, the same for the same seed."""
    rng = random.Random(seed)
    blobs = [file(folder, f"blob{n}", rng.randbytes(size)) for n, size in enumerate(sizes)]
    return Release(files=[file(folder, "nnrun", NNRUN.encode()), *blobs], label=f"seed {seed}")


def ready(size: int = 50_000) -> Prepared:
    """A build and a conversion whose program is the stand-in."""
    return Prepared(builds={"desktop": _build()}, conversions={"net": _conversion(size)})


def _build() -> Build:
    elf: dict[str, Any] = {
        "machine": platform.machine(),
        "needed": [],
        "glibc": None,
        "page_alignment": 65536,
    }
    cpu = {"required": "", "dispatched": []}

    def fill(folder: Path) -> BuildManifest:
        (folder / "nnrun").write_text(NNRUN)
        return synthetic_results.build_manifest(elf=elf, cpu=cpu, compilers={})

    key = sha256_of_value(NNRUN)[:16]
    folder, fresh = get_or_make("builds", key, fill)
    return Build(target="desktop", key=key, folder=folder, fresh=fresh)


def _conversion(size: int) -> Conversion:
    result = synthetic_results.manifest(nets=["model"])

    def fill(folder: Path) -> ConversionManifest:
        for name in ("model.ncnn.param", "model.ncnn.bin", LABELS_FILE):
            (folder / name).write_bytes(random.Random(name).randbytes(size))
        return result

    folder, or_make = get_or_make("conversions", f"net{size}", fill)
    return Conversion(
        model=plans.model("net"), key=f"net{size}", folder=folder, manifest=result, fresh=or_make
    )


def job(host: str) -> Job:
    """A job for the stand-in."""
    return plans.job(host, "desktop", "net")


def do(
    line: BoardConnection, verb: str, *arguments: str, retry: int = 0, limit_s: int = 60
) -> Record:
    """Deploy the stand-in and run it, as a task does."""
    command = NnrunCommand(verb=verb, arguments=arguments, what=TaskInfo(task="bench"))
    options = RunOptions(limit_s=limit_s, retry=retry)
    return run_job(
        JobContext(connection=line, job=job(line.name), prepared=ready(), options=options), command
    )


def each(host: str, verbs: Sequence[Sequence[str]]) -> JobOutcomes[Job, Record]:
    """Several jobs for one board, as a task does them."""
    line = BoardConnection(select_board(host), "desktop")
    jobs = [msgspec.structs.replace(job(host), threads=n) for n in range(1, len(verbs) + 1)]
    return run_on_boards(
        [line],
        jobs,
        lambda at, item: do(at, *verbs[item.threads - 1]),
        group_of_job=lambda item: item.host,
    )
