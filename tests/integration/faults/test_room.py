"""A board without room says so, and is not waited for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from piyard.board.lease import new_lease
from piyard.board.ssh.session import open_session
from piyard.core.errors import BoardDiskFull
from piyard.run.deploy import deploy_releases
from piyard.run.remote import start_process, wait_for_process
from tests.integration.faults.started import gone, running
from tests.support import faulty_board
from tests.support.faulty_board import LARGE, SMALL, Pi

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]


FILL = "cat /dev/zero > .piyard/filler 2> /dev/null; :"


@pytest.fixture
def cramped(own_boards: object) -> Iterator[Pi]:
    """A board with room for 4 MB."""
    with faulty_board.with_room("4m") as result:
        yield result


def test_what_cannot_fit_is_not_sent(cramped: Pi, tmp_path: Path) -> None:
    release = faulty_board.release(tmp_path / "new", 1, [3_000_000, 3_000_000])
    with open_session(cramped.board.login) as session:
        with pytest.raises(BoardDiskFull) as caught:
            deploy_releases(session, [release], new_lease("test"))
        assert session.commands == 1
    assert caught.value.code == 12
    assert cramped.blobs() == set()
    assert cramped.current() == ""


def test_room_that_vanishes_in_mid_stream(cramped: Pi, tmp_path: Path) -> None:
    old, new = (
        faulty_board.release(tmp_path / "old", 0, SMALL),
        faulty_board.release(tmp_path, 1, LARGE),
    )
    with open_session(cramped.board.login) as session, ThreadPoolExecutor() as pool:
        deploy_releases(session, [old], new_lease("old"))
        sending = pool.submit(
            deploy_releases, session, [new], new_lease("new"), link_limit=1_500_000
        )
        faulty_board.wait_until(
            lambda: sending.done() or any(".part" in blob for blob in cramped.blobs()), "sent"
        )
        cramped.sh(FILL)
        with pytest.raises(BoardDiskFull) as caught:
            sending.result(timeout=60)
        assert caught.value.code == 12
        assert cramped.current() == old.id
        assert set(cramped.releases()) == {old.id}

        cramped.sh("rm .piyard/filler")
        arrived = cramped.blobs()
        after = deploy_releases(session, [new], new_lease("after", wait_s=0))
    assert after.content == sum(file.size for file in new.files if file.sha256 not in arrived)
    assert cramped.current() == new.id
    assert not [blob for blob in cramped.blobs() if blob.startswith(".part")]


def test_a_run_that_finds_no_room_fails_and_is_not_waited_for(cramped: Pi, tmp_path: Path) -> None:
    release = faulty_board.release(tmp_path / "new", 1, SMALL)
    ours = new_lease("test")
    command = [f"../../releases/{release.id}/nnrun", "lines", "4"]
    with open_session(cramped.board.login) as session:
        deploy_releases(session, [release], ours, keep=True)
        cramped.sh(FILL)
        with pytest.raises(BoardDiskFull):
            start_process(session, "run", release, command, ours, limit_s=10)
    gone(cramped, "nnrun", "piyard")


def test_a_run_whose_room_vanishes_has_an_end(cramped: Pi, tmp_path: Path) -> None:
    release = faulty_board.release(tmp_path / "new", 1, SMALL)
    ours = new_lease("test")
    command = [f"../../releases/{release.id}/nnrun", "lines", "8"]
    with open_session(cramped.board.login) as session:
        deploy_releases(session, [release], ours, keep=True)
        start_process(session, "run", release, command, ours, limit_s=20)
        running(cramped, "nnrun lines")
        cramped.sh(FILL)
        result = wait_for_process(lambda: session, session, "run", lambda _: None)
    assert (result.state, result.code) == ("ended", 0)
    gone(cramped, "nnrun", "piyard")
