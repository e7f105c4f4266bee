"""A board that is a folder on this machine: the real Session and Talk over a local shell.

Only SSH itself is missing. What would travel as one command line is run by ``sh``, as sshd does.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from piyard.board import lease as board_lease
from piyard.board.lease import Lease
from piyard.board.release import HOME, Release, release_of
from piyard.board.ssh.session import Session
from piyard.core.store import Manifest, get_or_make

NO_CUT = -1
"""No cut: everything that is sent arrives."""


class LocalBoard(Session):
    """A session whose board is the folder ``home``; ``sent`` counts the bytes it was sent.

    ``cut_after`` loses the link after so many bytes of one command's input; ``on_send`` sees each
    block before it arrives; ``tools`` is a folder of programs that hide those of this machine;
    ``shell`` is the login shell.
    """

    def __init__(self, home: Path, name: str = "local") -> None:
        self.home, self.name = home, name
        self.commands, self.sent = 0, 0
        self.cut_after = NO_CUT
        self.on_send: Callable[[bytes], bytes] = lambda block: block
        self.path = os.environ["PATH"]
        self.tools: Path | None = None
        self.shell = ["sh"]

    @property
    def yard(self) -> Path:
        """Everything piyard keeps on it."""
        return self.home / HOME

    @property
    def environment(self) -> Mapping[str, str]:
        path = f"{self.tools}:{self.path}" if self.tools else self.path
        return {"PATH": path, "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def has_tool(self, name: str, text: str) -> None:
        """Put a program of that text before the machine's own."""
        self.tools = self.tools or self.home.parent / f"{self.home.name}-tools"
        self.tools.mkdir(exist_ok=True)
        (self.tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.tools / name).chmod(0o700)

    def lacks_tool(self, name: str) -> None:
        """Offer all programs of this machine but that one."""
        self.path = str(self.home.parent / f"{self.home.name}-without-{name}")
        Path(self.path).mkdir()
        for folder in reversed(os.environ["PATH"].split(":")):
            for program in Path(folder).glob("*"):
                link = Path(self.path, program.name)
                link.unlink(missing_ok=True)
                link.symlink_to(program)
        Path(self.path, name).unlink()

    def _transport(self) -> Any:
        return self

    def open_session(self, timeout: float) -> LocalChannel:
        return LocalChannel(self)

    def close(self) -> None:
        """A transport can be closed; there is none here."""


class LocalChannel:
    """What Talk uses of a channel of Paramiko, for a command that runs here."""

    def __init__(self, board: LocalBoard) -> None:
        self._board, self._taken = board, 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the channel
        self._limit: float | None = None
        self.status_event = self

    def exec_command(self, command: bytes) -> None:
        self._running = subprocess.Popen(
            [*self._board.shell, "-c", command],
            cwd=self._board.home,
            env=self._board.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )

    def settimeout(self, seconds: float) -> None:
        self._limit = seconds

    def recv(self, size: int) -> bytes:
        out = self._running.stdout
        assert out
        if not select.select([out], [], [], self._limit)[0]:
            raise TimeoutError("the command says nothing")
        return os.read(out.fileno(), size)

    def recv_stderr(self, size: int) -> bytes:
        if self._running.poll() is None:
            return b""
        at = self._taken
        self._errors.seek(at)
        block = self._errors.read(size)
        self._taken = at + len(block)
        return block

    def sendall(self, block: bytes) -> None:
        assert self._running.stdin
        block = self._board.on_send(block)
        left = self._board.cut_after - self._board.sent
        lost = self._board.cut_after >= 0 and len(block) > left
        block = block[:left] if lost else block
        self._running.stdin.write(block)
        self._board.sent += len(block)
        if lost:
            self._running.stdin.close()
            raise ConnectionResetError("the link is gone")

    def shutdown_write(self) -> None:
        assert self._running.stdin
        self._running.stdin.close()

    def wait(self, seconds: float) -> bool:
        """Wait for the exit code, as Paramiko's event does."""
        with suppress(subprocess.TimeoutExpired):
            self._running.wait(seconds)
        return self._running.returncode is not None

    def recv_exit_status(self) -> int:
        code = self._running.returncode
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        """As sshd: the command's streams go away. It must end of that; else it is ended."""
        for stream in (self._running.stdin, self._running.stdout):
            if stream and not stream.closed:
                stream.close()
        if not self.wait(10):
            self._running.terminate()
            self._running.wait()
        self._errors.close()


def new_board(folder: Path) -> LocalBoard:
    """An empty board in a folder of that name."""
    folder.mkdir(parents=True)
    return LocalBoard(folder)


@contextmanager
def temporary_board() -> Iterator[LocalBoard]:
    """A board for one example of a property."""
    with tempfile.TemporaryDirectory() as folder:
        yield new_board(Path(folder) / "board")


def lease(token: str = "token", owner: str = "me", *, wait_s: float = 0) -> Lease:
    """A lease that waits for nobody."""
    return Lease(token=token, owner=owner, wait_s=wait_s, seconds=board_lease.LEASE_SECONDS)


def artifact(key: str, **files: str | bytes) -> Path:
    """A folder of the store with these files."""

    def make(folder: Path) -> Manifest:
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else content.encode()
            (folder / name).write_bytes(raw)
        return Manifest()

    return get_or_make("things", key, make)[0]


def release(key: str = "one", label: str = "", **files: str | bytes) -> Release:
    """A release of such an artifact."""
    return release_of((artifact(key, **files), sorted(files)), label=label)


def blobs(board: LocalBoard) -> set[str]:
    """The names of all blobs, those that are not whole yet too."""
    folder = board.yard / "blobs"
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return names - {".verified"}


def releases(board: LocalBoard) -> set[str]:
    """The names of all release folders, drafts too."""
    folder = board.yard / "releases"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def current(board: LocalBoard) -> str | None:
    """The id of the current release."""
    link = board.yard / "current"
    return link.readlink().name if link.is_symlink() else None


def content(folder: Path) -> dict[str, bytes]:
    """The bytes of each file in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
