"""When an emulated board counts as answering."""

import socket
import threading
from contextlib import contextmanager

import pytest

from piyard.board import emulator
from piyard.board.emulator import LOOPBACK, EmulatedBoard, _sshd_answers
from piyard.board.ssh.login import connect_limit, plan_route

A_WHILE = 0.3


@contextmanager
def sshd_saying(words: bytes, after_s: float):
    """Its port; it says that to whoever waits so long."""
    with socket.create_server((LOOPBACK, 0)) as server:

        def greet() -> None:
            visitor, _ = server.accept()
            with visitor:
                threading.Event().wait(after_s)
                visitor.sendall(words)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_board_that_takes_its_time_to_greet_answers():
    with sshd_saying(b"SSH-2.0-OpenSSH\r\n", A_WHILE) as port:
        assert _sshd_answers(port)


def test_one_that_takes_longer_does_not_answer_yet(monkeypatch):
    monkeypatch.setattr(emulator, "GREETING_LIMIT_S", A_WHILE / 10)
    with sshd_saying(b"SSH-2.0-OpenSSH\r\n", A_WHILE) as port:
        assert not _sshd_answers(port)


@pytest.mark.parametrize("words", [b"", b"HTTP"])
def test_a_port_that_says_something_else_is_no_board(words):
    with sshd_saying(words, 0) as port:
        assert not _sshd_answers(port)


def test_a_login_has_as_much_time(monkeypatch, tmp_path):
    monkeypatch.setattr(emulator, "_known_hosts", lambda _: tmp_path / "known_hosts")
    board = EmulatedBoard(name="emulated:rpi5", target="rpi5", container="board", port=22)
    ((title, settings),) = plan_route(board.login)
    assert title == "emulated:rpi5"
    assert connect_limit(settings) == emulator.GREETING_LIMIT_S
