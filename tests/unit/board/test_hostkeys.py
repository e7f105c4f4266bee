"""Keys made on this machine: one pair each, whoever asks first and however many ask at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import paramiko
import pytest

from piyard.board.emulator import EmulatedBoard
from piyard.board.ssh.hostkeys import host_key, login_key, public_key
from piyard.core import paths

MANY = 8


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MANY) as executor:
        yield executor


def test_the_public_half_belongs_to_the_private_one() -> None:
    private = host_key("rpi5")
    key = paramiko.Ed25519Key.from_private_key_file(str(private))
    assert public_key(private) == f"ssh-ed25519 {key.get_base64()}"


def test_a_key_and_its_folder_are_for_the_owner_alone() -> None:
    private = host_key("rpi5")
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.parent.stat().st_mode & 0o777 == 0o700


def test_a_key_is_made_once() -> None:
    before = login_key().read_bytes()
    assert login_key().read_bytes() == before
    assert host_key("rpi5").read_bytes() != host_key("rpi5-2").read_bytes()


def test_who_asks_at_once_gets_the_same_key(pool: ThreadPoolExecutor) -> None:
    together = Barrier(MANY)

    def ask(_: int) -> str:
        together.wait()
        private = login_key()
        key = paramiko.Ed25519Key.from_private_key_file(str(private))
        assert public_key(private) == f"ssh-ed25519 {key.get_base64()}"
        return str(key.get_base64())

    assert len(set(pool.map(ask, range(MANY)))) == 1


def test_the_host_key_of_a_board_is_never_half_written_for_another_run(
    pool: ThreadPoolExecutor,
) -> None:
    board = EmulatedBoard(name="emulated:rpi5/2", target="rpi5", container="made", port=2222)
    file, done = board.login.known_hosts, Event()
    assert file == paths.data() / "host_keys" / "made.known_hosts"
    expected = f"[127.0.0.1]:2222 {public_key(host_key('rpi5-2'))}\n"

    def log_in() -> None:
        while not done.is_set():
            assert board.login.known_hosts == file

    others = [pool.submit(log_in) for _ in range(3)]
    seen = {file.read_text() for _ in range(3000)}
    done.set()
    for other in others:
        other.result(timeout=10)
    assert seen == {expected}
