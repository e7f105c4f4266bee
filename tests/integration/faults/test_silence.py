"""A board that is there and says nothing is given up."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.fleet.selection import select_board
from piyard.board.ssh import login, session
from piyard.core.errors import HostUnreachable
from piyard.run import deploy, remote
from piyard.run.deploy import deploy_releases
from piyard.run.lifecycle import finish_run
from piyard.run.run_folders import LOG_FILE, run_folder
from tests.integration.faults.started import begun
from tests.support import faulty_board
from tests.support.faulty_board import LARGE, Pi

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short limits."""
    monkeypatch.setattr(login, "CONNECT_LIMIT_S", 2)
    monkeypatch.setattr(remote, "LOST_LIMIT_S", 4)
    monkeypatch.setattr(remote, "STATUS_WAIT_S", 1)
    # A command has half a minute to spare on the board; two seconds of that are enough here.
    monkeypatch.setattr(session, "SILENCE_S", -29)


def test_a_board_that_accepts_and_says_nothing_is_given_up(hasty: None, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        way = BoardConnection(select_board(f"pi@127.0.0.1:{mute.getsockname()[1]}"), "desktop")
        with pytest.raises(HostUnreachable) as caught:
            faulty_board.do(way, "lines", "1")
        way.close()
    assert caught.value.code == 8


def test_a_board_that_hangs_is_given_up_and_its_run_is_had_later(
    pi: Pi, way: BoardConnection, hasty: None
) -> None:
    record = begun(way, "lines", "12")
    pi.signal_sshd("STOP")
    with pytest.raises(HostUnreachable):
        finish_run(way, record)
    pi.signal_sshd("CONT")
    assert finish_run(way, record).state == "ended"
    assert (run_folder(record.id) / LOG_FILE).read_text().endswith("line 12\nall\n")


def test_a_board_that_hangs_for_a_while_is_waited_for(
    pi: Pi, way: BoardConnection, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LOST_LIMIT_S", 60)
    record = begun(way, "lines", "24")
    with ThreadPoolExecutor() as pool:
        done = pool.submit(finish_run, way, record)
        pi.signal_sshd("STOP")
        time.sleep(4)
        pi.signal_sshd("CONT")
        assert done.result(timeout=60).state == "ended"


def test_a_board_that_hangs_in_mid_deploy_is_given_up(
    pi: Pi, way: BoardConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "HASHING_LIMIT_S", 2)
    release = faulty_board.release(tmp_path / "new", 1, LARGE)
    with pytest.raises(HostUnreachable):
        deploy_releases(
            way.session,
            [release],
            way.lease,
            check=lambda _told, _bytes: pi.signal_sshd("STOP"),
        )
    pi.signal_sshd("CONT")
    way.close_session()
    assert deploy_releases(way.session, [release], way.lease).content > 0
