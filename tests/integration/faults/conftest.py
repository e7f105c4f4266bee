"""A board of a test's own, and the ways to it. It is a container with a real OpenSSH server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.emulator import EmulatedBoard
from piyard.board.fleet.selection import select_board
from piyard.board.ssh.hostkeys import login_key
from tests.support.faulty_board import BOARD, Pi


@pytest.fixture(autouse=True)
def own_artifacts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Runs, known hosts and the fleet are the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "fleet.yaml"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("PIYARD_STRICT_HOST_KEYS", raising=False)


@pytest.fixture
def pi(own_boards: Callable[[str], EmulatedBoard]) -> Iterator[Pi]:
    """A board of the test's own."""
    result = Pi(own_boards(BOARD))
    yield result
    result.close()


@pytest.fixture
def line(pi: Pi) -> Iterator[BoardConnection]:
    """The way to it."""
    connection = BoardConnection(select_board(BOARD), wait_s=60)
    yield connection
    connection.close()


@pytest.fixture
def real(pi: Pi, tmp_path: Path) -> str:
    """The board as an entry of the fleet: nothing tells that it is emulated."""
    (tmp_path / "fleet.yaml").write_text(
        f"boards: {{shelf: {{host: 127.0.0.1, port: {pi.board.port}, user: pi, target: desktop, "
        f"key: {login_key()}}}}}"
    )
    return "shelf"


@pytest.fixture
def way(real: str) -> Iterator[BoardConnection]:
    """The way to the board of the fleet."""
    connection = BoardConnection(select_board(real), wait_s=60)
    yield connection
    connection.close()
